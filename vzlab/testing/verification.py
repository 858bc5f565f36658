"""What verifying references found: verdict, files in three states, findings, and the files to make references of anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from vzlab.display import Displayed
from vzlab.testing.comparison import Finding, Gap, Verdict

SCHEMA = "vzlab-verification/1"
"""Name and version of the JSON form."""


@dataclass(frozen=True, kw_only=True)
class VerifiedArray:
    """The chunks of one array, and who can decode them."""

    path: str
    n_virtual: int
    """References to files."""
    n_held: int
    """Chunks that the store holds itself."""
    n_missing: int
    """Chunks that were never written, and read as fill."""
    n_outside: int
    """References to places outside of the array's chunk grid, which nothing reads."""
    codecs: tuple[str, ...] | None
    """Names in encoding order; None where they are not those of Zarr v3."""
    readers: tuple[str, ...]
    """Zarr v3 readers that know every codec of the chain by its name."""


@dataclass(frozen=True, kw_only=True)
class VerifiedFile:
    """A file that cannot be relied on."""

    url: str
    state: str
    """``"absent"``, ``"unreachable"``, ``"stale"`` (changed since it was parsed) or ``"wrong"`` (references do not fit it)."""
    reason: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Verification(Displayed):
    """What verifying references against their files found. Made by `verify`.

    Examples
    --------
    >>> import vzlab as vz
    >>> report = vz.verify(vz.open_virtual_dataset("archive/sst_2025-01-01.nc"))
    >>> report.verdict, report.to_virtualize
    ('PASS', ())
    """

    _view: ClassVar[str] = "verification"

    subject: str
    """What was verified, in words."""
    arrays: tuple[VerifiedArray, ...]
    n_files: int
    """Distinct files that references point to."""
    n_unrecorded: int
    """Files of which nobody kept what they were, so that a change that leaves the length alone cannot be seen."""
    files: tuple[VerifiedFile, ...]
    """Files that cannot be relied on, sorted by url; each once, with what is worst."""
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    n_requests: int
    """Requests to files: one each, and one more where only Icechunk knows what a file was."""
    elapsed_s: float = field(compare=False)

    @property
    def verdict(self) -> Verdict:
        """FAIL if anything is wrong, UNVERIFIED if something could not be looked at, else PASS."""
        if self.findings:
            return "FAIL"
        return "UNVERIFIED" if self.gaps else "PASS"

    @property
    def exit_code(self) -> int:
        """0 if the verdict is PASS, else 1."""
        return 0 if self.verdict == "PASS" else 1

    @property
    def n_references(self) -> int:
        """References looked at."""
        return sum(array.n_virtual for array in self.arrays)

    @property
    def to_virtualize(self) -> tuple[str, ...]:
        """Urls of files that are there and whose references are not right: what `refresh` parses again."""
        return tuple(file.url for file in self.files if file.state in ("stale", "wrong"))

    @property
    def out_of_reach(self) -> tuple[str, ...]:
        """Urls of files that are gone, or that cannot be reached."""
        return tuple(file.url for file in self.files if file.state in ("absent", "unreachable"))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON can hold."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "n_references": self.n_references,
            "to_virtualize": list(self.to_virtualize),
            **asdict(self),
        }
