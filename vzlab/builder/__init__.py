"""Build a virtual dataset step by step, without a user interface: the log of steps is a program."""

from vzlab.builder.builder import Builder
from vzlab.builder.choices import EVERYTHING, STEPS, TITLES, Choices, Proof, Sources, Step, Target
from vzlab.builder.fixes import Fix
from vzlab.builder.preview import Preview
from vzlab.builder.program import Block, call
from vzlab.builder.secrets import Secret

__all__ = [
    "EVERYTHING",
    "STEPS",
    "TITLES",
    "Block",
    "Builder",
    "Choices",
    "Fix",
    "Preview",
    "Proof",
    "Secret",
    "Sources",
    "Step",
    "Target",
    "call",
]
