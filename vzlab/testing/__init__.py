"""Compare virtual with native reads, verify references against their files, and make the faults that a comparison must find."""

from typing import TYPE_CHECKING

from vzlab.lazy import lazy_names
from vzlab.testing import faults
from vzlab.testing.compare import assert_virtual_equal, compare, read_native, read_virtual
from vzlab.testing.comparison import AttributeFact, Bound, Comparison, Finding, Gap, LevelCoverage, Stratum
from vzlab.testing.fingerprint import Fingerprint, VariableFingerprint
from vzlab.testing.fingerprinting import fingerprint
from vzlab.testing.refresh import Refresh, refresh
from vzlab.testing.verification import Verification, VerifiedArray, VerifiedFile
from vzlab.testing.verify import verify

if TYPE_CHECKING:
    from vzlab.testing import strategies
    from vzlab.testing.parser_tests import ParserTests
else:
    # These need pytest and hypothesis, which comparing does not.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {".": ("strategies",), "parser_tests": ("ParserTests",)},
        extra="testing,hdf5",
        libraries=("h5py", "hypothesis", "pytest"),
    )

__all__ = [
    "AttributeFact",
    "Bound",
    "Comparison",
    "Finding",
    "Fingerprint",
    "Gap",
    "LevelCoverage",
    "ParserTests",
    "Refresh",
    "Stratum",
    "VariableFingerprint",
    "Verification",
    "VerifiedArray",
    "VerifiedFile",
    "assert_virtual_equal",
    "compare",
    "faults",
    "fingerprint",
    "read_native",
    "read_virtual",
    "refresh",
    "strategies",
    "verify",
]
