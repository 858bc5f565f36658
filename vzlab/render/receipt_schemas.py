"""The JSON Schemas of what `compare` and `verify` give, made from their models."""

from __future__ import annotations

from typing import Any

from vzlab.inspection.json_schema import document_schema
from vzlab.testing import comparison, verification

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
