"""What anything contains: one frozen tree, worked out without reading what parsing did not read."""

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

__all__ = [
    "ChunkCounts",
    "Chunking",
    "Finding",
    "GroupInspection",
    "Inspection",
    "SourceInspection",
    "UnreadableInspection",
    "VariableInspection",
    "inspect",
]
