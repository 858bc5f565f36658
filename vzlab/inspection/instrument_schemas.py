"""The JSON Schemas of what `cost`, `trace`, `record` and `diff` give, made from their models."""

from __future__ import annotations

from typing import Any

from vzlab.inspection.cost import DERIVED as DERIVED_COSTS
from vzlab.inspection.cost import SCHEMA as COST
from vzlab.inspection.cost import Cost
from vzlab.inspection.diff import SCHEMA as DIFF
from vzlab.inspection.diff import InspectionDiff
from vzlab.inspection.json_schema import document_schema, one_or_many
from vzlab.inspection.record import SCHEMA as RECORDING
from vzlab.inspection.record import TOLD, Recording
from vzlab.inspection.trace import SCHEMA as TRACE
from vzlab.inspection.trace import Trace


def cost_schema() -> dict[str, Any]:
    """Give the schema of `Cost.to_dict` and `CostComparison.to_dict`: JSON Schema, draft 2020-12."""
    return one_or_many(document_schema(Cost, COST, {}, ("title", *DERIVED_COSTS)), Cost, "costs")


def trace_schema() -> dict[str, Any]:
    """Give the schema of `Trace.to_dict`: JSON Schema, draft 2020-12."""
    return document_schema(Trace, TRACE, {}, ("title", "agrees"))


def recording_schema() -> dict[str, Any]:
    """Give the schema of `Recording.to_dict` and `RecordingComparison.to_dict`: JSON Schema, draft 2020-12."""
    schema = document_schema(Recording, RECORDING, {"title": {"type": "string"}}, TOLD)
    return one_or_many(schema, Recording, "recordings")


def diff_schema() -> dict[str, Any]:
    """Give the schema of `InspectionDiff.to_dict`: JSON Schema, draft 2020-12."""
    return document_schema(InspectionDiff, DIFF, {}, ("title",))
