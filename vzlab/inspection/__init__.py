"""What anything contains: one frozen tree, worked out without reading what parsing did not read."""

from vzlab.inspection.cost import Cost, CostComparison, compare_costs, cost
from vzlab.inspection.diff import InspectionDiff, diff
from vzlab.inspection.inspect import inspect
from vzlab.inspection.model import (
    ChunkCounts,
    Chunking,
    Finding,
    GroupInspection,
    Inspection,
    SourceInspection,
    UnreadableInspection,
    VariableInspection,
)
from vzlab.inspection.record import Recording, RecordingComparison, compare_recordings, record
from vzlab.inspection.trace import Trace, trace

__all__ = [
    "ChunkCounts",
    "Chunking",
    "Cost",
    "CostComparison",
    "Finding",
    "GroupInspection",
    "Inspection",
    "InspectionDiff",
    "Recording",
    "RecordingComparison",
    "SourceInspection",
    "Trace",
    "UnreadableInspection",
    "VariableInspection",
    "compare_costs",
    "compare_recordings",
    "cost",
    "diff",
    "inspect",
    "record",
    "trace",
]
