"""The outcome of a comparison: verdict, coverage, findings, and what the sample proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

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

MAX_SHOWN = 10
"""Findings printed in full in the text; the count says how many there are."""


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
class Comparison:
    """What comparing a virtual dataset with its native files found. Made by `compare`."""

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
    tolerances: tuple[tuple[str, float], ...] = ()
    """Paths of variables whose numbers may differ, and by how much, in stored units."""
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
        each = f"at most {_percent(worst)} of each variable differ, with {self.confidence:.0%} confidence"
        if of_file > worst:
            each += f" (of one variable in one file, at most {_percent(of_file)})"
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
        document: dict[str, Any] = {"verdict": self.verdict, "coverage": self.coverage, "bound": self.bound}
        document |= asdict(self)
        return _plain(document)  # type: ignore[no-any-return]

    def to_html(self, path: str | Path) -> Path:
        """Write the receipt as a page that stands alone, and give its path."""
        written: Path = import_module("vzlab.render.page").to_html(self, path, title=f"vzlab: {self.verdict}")
        return written

    def _repr_html_(self) -> str:
        # The drawing layer lies above this one; a display hook is the one place that looks up to it, by name.
        return import_module("vzlab.render.comparison").to_html(self)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Comparison {self.verdict}: {len(self.findings)} findings, {len(self.gaps)} gaps; {self.coverage}>"

    def __str__(self) -> str:
        return as_text(self)


def as_text(comparison: Comparison) -> str:
    """The report as plain text."""
    lines = [
        f"{comparison.verdict}: {_headline(comparison)}",
        f"  virtual   {comparison.virtual}",
        f"  native    {comparison.native}",
        f"  read by   {', '.join(comparison.oracles) or 'nothing'}",
        f"  coverage  {comparison.coverage}",
    ]
    if comparison.bound:
        lines.append(f"  sample    {comparison.bound}")
    lines += [
        f"            {level.title} not compared: {level.note}"
        for level in comparison.levels
        if level.note and not level.total
    ]
    if comparison.blind_spot:
        lines.append(f"            {comparison.blind_spot}")
    for number, finding in enumerate(comparison.findings[:MAX_SHOWN], 1):
        lines += ["", *_finding_lines(number, finding)]
    if (n := len(comparison.findings) - MAX_SHOWN) > 0:
        lines += ["", f"... and {n} more findings."]
    if comparison.gaps:
        lines += ["", "Not compared:"]
        lines += [f"  {gap.level} {gap.variable or 'all variables'}: {gap.reason}" for gap in comparison.gaps]
    if comparison.notes:
        lines += ["", "Notes:", *(f"  {note}" for note in comparison.notes)]
    return "\n".join(lines)


def _headline(comparison: Comparison) -> str:
    n, files = comparison.n_variables, comparison.n_files
    what = f"{n:,} variable{'s' * (n != 1)} over {files:,} native file{'s' * (files != 1)}"
    match comparison.verdict:
        case "PASS":
            return f"{what} read the same in {comparison.elapsed_s:.1f} s"
        case "FAIL":
            first = comparison.findings[0]
            return f"{first.variable + ': ' if first.variable else ''}{first.message}"
        case _:
            return f"{what}; {len(comparison.gaps)} could not be compared"


def _finding_lines(number: int, finding: Finding) -> list[str]:
    alike = f" ({finding.n_alike:,} like this)" if finding.n_alike > 1 else ""
    lines = [f"{number}. {finding.level} {LEVELS[finding.level]}, {finding.variable or 'dataset'}{alike}"]
    lines.append(f"   {finding.message}")
    if finding.cause:
        lines.append(f"   likely cause: {finding.cause}")
    if finding.index is not None:
        lines.append(
            f"   at {list(finding.index)}: virtual {finding.virtual_value}, native {finding.native_value}"
        )
    elif finding.virtual_value or finding.native_value:
        lines.append(
            f"   virtual {finding.virtual_value or 'nothing'}, native {finding.native_value or 'nothing'}"
        )
    if finding.file:
        lines.append(f"   native file {finding.file}")
    if finding.chunk is not None:
        place = f"   chunk {list(finding.chunk)}"
        if finding.source:
            place += f": {finding.length} bytes at {finding.offset} of {finding.source}"
        lines.append(place)
    if finding.snippet:
        lines += ["   to see it again:", *(f"     {line}" for line in finding.snippet.splitlines())]
    return lines


def _coverage(level: LevelCoverage) -> str:
    if not level.total:
        return f"{level.title} not compared" if level.note else f"{level.title} none"
    return f"{level.title} {_percent(level.fraction)}"


def _percent(fraction: float) -> str:
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
