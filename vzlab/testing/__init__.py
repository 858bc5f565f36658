"""Compare virtual with native reads, verify references against their files, and make the faults that a comparison must find."""

from vzlab.testing import faults
from vzlab.testing.compare import assert_virtual_equal, compare, read_virtual
from vzlab.testing.comparison import Bound, Comparison, Finding, Gap, LevelCoverage, Stratum
from vzlab.testing.refresh import Refresh, refresh
from vzlab.testing.verification import Verification, VerifiedArray, VerifiedFile
from vzlab.testing.verify import verify

__all__ = [
    "Bound",
    "Comparison",
    "Finding",
    "Gap",
    "LevelCoverage",
    "Refresh",
    "Stratum",
    "Verification",
    "VerifiedArray",
    "VerifiedFile",
    "assert_virtual_equal",
    "compare",
    "faults",
    "read_virtual",
    "refresh",
    "verify",
]
