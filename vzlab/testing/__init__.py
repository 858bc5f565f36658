"""Compare virtual with native reads, verify references against their files, and make the faults that a comparison must find."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vzlab.errors import MissingDependencyError
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


def __getattr__(name: str) -> Any:
    # These need pytest and hypothesis, which comparing does not.
    try:
        if name == "ParserTests":
            return import_module("vzlab.testing.parser_tests").ParserTests
        if name == "strategies":
            return import_module("vzlab.testing.strategies")
    except ModuleNotFoundError as error:
        if error.name in {"h5py", "hypothesis", "pytest"}:
            raise MissingDependencyError(
                error.name, extra="testing,hdf5", purpose=f"vzlab.testing.{name}"
            ) from error
        raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
