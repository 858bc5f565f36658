"""The JSON Schemas of what `compare`, `verify`, `fingerprint` and `check_combine` give, made from their models."""

from __future__ import annotations

from typing import Any

from vzlab.datasets.findings import SCHEMA as CHECK
from vzlab.datasets.findings import CompatibilityReport
from vzlab.inspection.json_schema import document_schema
from vzlab.testing import comparison, verification
from vzlab.testing.fingerprint import SCHEMA as FINGERPRINT
from vzlab.testing.fingerprint import Fingerprint

_VERDICT = {"enum": ["PASS", "FAIL", "UNVERIFIED"]}


def comparison_schema() -> dict[str, Any]:
    """Give the schema of `Comparison.to_dict`: JSON Schema, draft 2020-12."""
    derived = {"verdict": _VERDICT, "coverage": {"type": "string"}, "bound": {"type": "string"}}
    return document_schema(comparison.Comparison, comparison.SCHEMA, derived)


def verification_schema() -> dict[str, Any]:
    """Give the schema of `Verification.to_dict`: JSON Schema, draft 2020-12."""
    derived = {
        "verdict": _VERDICT,
        "n_references": {"type": "integer"},
        "to_virtualize": {"type": "array", "items": {"type": "string"}},
    }
    return document_schema(verification.Verification, verification.SCHEMA, derived)


def fingerprint_schema() -> dict[str, Any]:
    """Give the schema of `Fingerprint.to_dict`: JSON Schema, draft 2020-12."""
    return document_schema(Fingerprint, FINGERPRINT, {})


def check_schema() -> dict[str, Any]:
    """Give the schema of `CompatibilityReport.to_dict`: JSON Schema, draft 2020-12."""
    schema = document_schema(CompatibilityReport, CHECK, {}, ("order", "compatible"))
    definitions = schema["$defs"]
    # The form leaves out what others of its entries say, and calls runs of files by what they are of.
    for holder, left_out in ((schema, "positions"), (definitions["Finding"], "short")):
        del holder["properties"][left_out]
        holder["required"].remove(left_out)
    properties = definitions["Holders"]["properties"]
    properties["files"] = properties.pop("runs")
    definitions["Holders"]["required"] = list(properties)
    return schema
