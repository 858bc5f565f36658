"""Compare virtual with native reads, and make the faults that a comparison must find."""

from vzlab.testing import faults
from vzlab.testing.compare import assert_virtual_equal, compare, read_virtual
from vzlab.testing.comparison import Bound, Comparison, Finding, Gap, LevelCoverage, Stratum

__all__ = [
    "Bound",
    "Comparison",
    "Finding",
    "Gap",
    "LevelCoverage",
    "Stratum",
    "assert_virtual_equal",
    "compare",
    "faults",
    "read_virtual",
]
