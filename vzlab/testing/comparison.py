"""The outcome of a comparison: verdict, coverage, findings, and what the sample proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from vzlab.display import Displayed
from vzlab.testing.junit import junit_xml

SCHEMA = "vzlab-comparison/1"
"""Name and version of the JSON form."""

type Verdict = Literal["PASS", "FAIL", "UNVERIFIED"]

LEVELS: Mapping[str, str] = {
    "L0": "structure and attributes",
    "L1": "coordinates",
    "L2": "references",
    "L3": "stored bytes",
    "L4": "stored values",
    "L5": "decoded values",
}
"""What each level compares."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A difference between virtual and native."""

    level: str
    variable: str
    """Path of the variable; empty for what concerns the whole dataset or a group."""
    message: str
    """What was found and what was expected, in a sentence."""
    cause: str = ""
    """The likely cause, in words."""
    index: tuple[int, ...] | None = None
    """Position of the first differing element in the virtual array."""
    virtual_value: str = ""
    native_value: str = ""
    file: str = ""
    """Url of the native file that answers for this place."""
    chunk: tuple[int, ...] | None = None
    """Grid index of the chunk."""
    source: str = ""
    """Url that the chunk's reference points to."""
    offset: int | None = None
    """First byte of the chunk within it."""
    length: int | None = None
    """Bytes of the chunk."""
    n_alike: int = 1
    """How many findings of this kind there are for this variable and file; this one is the first."""
    snippet: str = ""
    """Python that shows it again; ``virtual`` stands for what was compared."""

    def at_chunk(self, chunk: tuple[int, ...] | None, place: tuple[str, int | None, int | None]) -> Finding:
        """The same of one chunk, whose bytes lie at a place: url, offset and length."""
        source, offset, length = place
        return replace(self, chunk=chunk, source=source, offset=offset, length=length)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that had to be compared and could not be, so that nobody can vouch for it."""

    level: str
    variable: str
    reason: str
    """What is in the way, and what to do."""


@dataclass(frozen=True, kw_only=True)
class LevelCoverage:
    """How much of what a level is about was compared."""

    level: str
    checked: int
    total: int
    unit: str
    """What is counted: attributes, elements, references, chunks."""
    note: str = ""
    """Why a level that nobody asked for by name was left out."""

    @property
    def title(self) -> str:
        """What the level compares."""
        return LEVELS[self.level]

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return self.checked / self.total if self.total else 0.0


@dataclass(frozen=True, kw_only=True)
class AttributeFact:
    """What several source files say of one attribute, and what the virtual side makes of it."""

    variable: str
    """Path of the variable or group; empty for the root."""
    name: str
    kind: Literal["constant", "varying", "conflicting"]
    """Whether files agree; if not, whether it is one of those that say what stored numbers mean."""
    n_files: int
    n_values: int
    """Different values, ``nothing`` among them."""
    values: tuple[tuple[str, int], ...]
    """The most frequent values, and in how many files they are."""
    virtual_value: str
    """``nothing`` where the virtual side leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """The chunks of one variable that one source file answers for, and how many were looked at."""

    variable: str
    file: str
    codecs: str
    """Filters that the native reader names, or what it says of them."""
    n_chunks: int
    n_always: int
    """Chunks looked at whatever chance said."""
    n_drawn: int
    """Chunks drawn at random from the rest."""
    n_differing: int
    n_bad_at_most: int
    """Differing chunks there can be in this stratum, at the confidence asked for."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What the sample proves for one variable and codec era, over all its source files."""

    variable: str
    codecs: str
    n_files: int
    n_chunks: int
    n_checked: int
    n_differing: int
    n_bad_at_most: int
    """Differing chunks there can be, at the confidence asked for, however they are spread over the files."""
    worst_file_fraction: float
    """The largest share of differing chunks that any one file can have, at that confidence."""

    @property
    def bad_fraction_at_most(self) -> float:
        """Share of differing chunks there can be."""
        return self.n_bad_at_most / self.n_chunks if self.n_chunks else 0.0


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Displayed):
    """What comparing a virtual dataset with its native files found. Made by `compare`.

    Examples
    --------
    >>> import vzlab as vz
    >>> report = vz.compare(vz.open_virtual_dataset("archive/sst_2025-01-01.nc"), "archive/sst_2025-01-01.nc", progress=False)
    >>> report.verdict, report.n_files, report.findings
    ('PASS', 1, ())
    """

    _view: ClassVar[str] = "comparison"

    virtual: str
    """What was compared, in words."""
    native: str
    oracles: tuple[str, ...]
    """The libraries that read the native side, with versions."""
    levels: tuple[LevelCoverage, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...]
    """What is worth knowing and no difference: varying attributes left out, NaN payloads, signed zeros."""
    strata: tuple[Stratum, ...]
    bounds: tuple[Bound, ...]
    confidence: float
    max_bad_fraction: float
    seed: int
    exact: bool
    attributes: tuple[AttributeFact, ...] = ()
    """Attributes over the source files, where there are several."""
    tolerances: tuple[tuple[str, float], ...] = ()
    """Paths of variables whose numbers may differ, and by how much, in stored units."""
    encoded_anew: tuple[tuple[str, int], ...] = ()
    """Paths of variables, and how many of their chunks were decoded and encoded as the others: of these only decoded values
    are compared, up to the rounding of floating-point arithmetic."""
    n_variables: int
    n_files: int
    elapsed_s: float = field(compare=False)

    @property
    def verdict(self) -> Verdict:
        """FAIL if anything differs, UNVERIFIED if something could not be compared, else PASS."""
        if self.findings:
            return "FAIL"
        return "UNVERIFIED" if self.gaps or not any(level.checked for level in self.levels) else "PASS"

    @property
    def passed(self) -> bool:
        """Whether the verdict is PASS."""
        return self.verdict == "PASS"

    @property
    def coverage(self) -> str:
        """How much of each level was compared, in one line."""
        return ", ".join(_coverage(level) for level in self.levels)

    @property
    def bound(self) -> str:
        """What the sample proves, in a sentence; empty when nothing was sampled."""
        if not self.bounds:
            return ""
        checked, chunks = sum(b.n_checked for b in self.bounds), sum(b.n_chunks for b in self.bounds)
        differing = sum(b.n_differing for b in self.bounds)
        text = f"{differing:,} of {checked:,} chunks differ"
        if checked == chunks:
            return f"{text}: every chunk was looked at."
        if differing:
            return f"{text}; {chunks - checked:,} were not looked at."
        worst = max(b.bad_fraction_at_most for b in self.bounds)
        of_file = max(b.worst_file_fraction for b in self.bounds)
        each = f"at most {percent(worst)} of each variable differ, with {self.confidence:.0%} confidence"
        if of_file > worst:
            each += f" (of one variable in one file, at most {percent(of_file)})"
        return f"{text}: {each}."

    @property
    def blind_spot(self) -> str:
        """What a sample of this kind cannot exclude, in words; empty when everything was looked at."""
        if all(b.n_checked == b.n_chunks for b in self.bounds):
            return ""
        return (
            "A fault confined to a few chunks can lie between those that were looked at: the first and last of every "
            "file were, the rest by chance. exact=True looks at all of them."
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON can hold."""
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "coverage": self.coverage,
            "bound": self.bound,
        }
        document |= asdict(self)
        return _plain(document)  # type: ignore[no-any-return]

    @property
    def exit_code(self) -> int:
        """0 if the verdict is PASS, else 1."""
        return 0 if self.passed else 1

    def to_junit(self, path: str | Path) -> Path:
        """Write a JUnit XML report, one case for each level and one for each finding, and give its path."""
        target = Path(path)
        target.write_bytes(junit_xml(self))
        return target


def _coverage(level: LevelCoverage) -> str:
    if not level.total:
        return f"{level.title} not compared" if level.note else f"{level.title} none"
    return f"{level.title} {percent(level.fraction)}"


def percent(fraction: float) -> str:
    """``4.2 %``; never rounded up to 100."""
    if fraction >= 1:
        return "100 %"
    digits = 1 if fraction >= 0.1 else 2
    scale: int = 10**digits
    return f"{int(fraction * 100 * scale) / scale:g} %" if fraction * 100 * scale >= 1 else "under 0.01 %"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
