"""What a comparison has found so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from vzlab.testing.comparison import AttributeFact, Bound, Finding, Gap, LevelCoverage, Stratum

MAX_FINDINGS = 1_000
"""Findings of different kinds that are kept."""


@dataclass(eq=False, kw_only=True)
class Record:
    """Collects findings, gaps, notes and coverage; findings that are alike are counted, the first one is kept.

    Parameters
    ----------
    levels : iterable of str
        Those that are compared.
    asked_by_name : bool
        Whether the levels were named, so that one that is not possible is a gap and not a note.
    """

    levels: Iterable[str]
    asked_by_name: bool
    strata: list[Stratum] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    attributes: list[AttributeFact] = field(default_factory=list)
    encoded_anew: tuple[tuple[str, int], ...] = ()
    """Paths of variables, and how many of their chunks were decoded and encoded as the others."""
    n_found: int = 0
    """Findings taken, alike ones too."""
    _notes: dict[str, None] = field(default_factory=dict)
    _counted: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _findings: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    _gaps: dict[tuple[str, str], Gap] = field(default_factory=dict)
    _coverage: dict[str, list[Any]] = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.levels = tuple(self.levels)

    def wants(self, level: str) -> bool:
        """Whether a level is to be compared."""
        return level in self.levels

    def find(self, finding: Finding) -> None:
        """Take a finding."""
        self.n_found += finding.n_alike
        key = (
            finding.level,
            finding.variable,
            finding.file,
            finding.cause,
            finding.message.partition(":")[0],
        )
        known = self._findings.get(key)
        if known is not None:
            self._findings[key] = replace(known, n_alike=known.n_alike + finding.n_alike)
        elif len(self._findings) < MAX_FINDINGS:
            self._findings[key] = finding

    def gap(self, level: str, variable: str, reason: str) -> None:
        """Take something that could not be compared."""
        self._gaps.setdefault((level, variable), Gap(level=level, variable=variable, reason=reason))

    def impossible(self, level: str, variable: str, reason: str, *, is_expected: bool = False) -> None:
        """Take a level that the two sides do not allow for a variable, or for all of them.

        It becomes a gap if nothing at all could be compared on a level that was asked for by name.
        """
        self._reasons.setdefault(level, reason)
        if variable and not is_expected:
            self.note(f"{level} {variable} was not compared: {reason}")

    def note(self, text: str) -> None:
        """Take something worth knowing."""
        self._notes[text] = None

    def count(self, level: str, variable: str, what: str, n: int) -> None:
        """Count elements worth a note; `what` says it of them, with ``{n}`` for how many there are in all."""
        if n:
            self._counted[level, variable, what] += n

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing and no difference."""
        counted = (
            f"{level} {path}: {what.format(n=f'{n:,}')}" for (level, path, what), n in self._counted.items()
        )
        return (*self._notes, *counted)

    def cover(self, level: str, checked: int, total: int, unit: str) -> None:
        """Add to what was compared of a level."""
        counts = self._coverage.setdefault(level, [0, 0, unit])
        counts[0] += checked
        counts[1] += total

    # -- parts ------------------------------------------------------------------------------------------------------

    def part(self) -> Self:
        """An empty record for a part of the same comparison."""
        return type(self)(levels=self.levels, asked_by_name=self.asked_by_name)

    def merge(self, part: Mapping[str, Any]) -> None:
        """Add what a part has found, in the form of `to_plain`."""
        for finding in part["findings"]:
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in finding.items()}
            self.find(Finding(**values))
        for gap in part["gaps"]:
            self.gap(**gap)
        for level, reason in part["reasons"].items():
            self._reasons.setdefault(level, reason)
        for text in part["notes"]:
            self.note(text)
        for level, variable, what, n in part["counted"]:
            self.count(level, variable, what, n)
        for level, (checked, total, unit) in part["coverage"].items():
            self.cover(level, checked, total, unit)

    def to_plain(self) -> dict[str, Any]:
        """What was found, as plain values that JSON can hold."""
        return {
            "findings": [asdict(finding) for finding in self._findings.values()],
            "gaps": [asdict(gap) for gap in self._gaps.values()],
            "reasons": self._reasons,
            "notes": list(self._notes),
            "counted": [[*key, n] for key, n in self._counted.items()],
            "coverage": self._coverage,
        }

    # -- what came of it --------------------------------------------------------------------------------------------

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings in the order of levels, then as found."""
        return tuple(sorted(self._findings.values(), key=lambda finding: finding.level))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Gaps in the order of levels."""
        gaps = list(self._gaps.values())
        if self.asked_by_name:
            gaps += [
                Gap(level=level, variable="", reason=self._reasons.get(level, "there is nothing to compare"))
                for level in self.levels
                if not self._coverage.get(level, [0, 0])[1] and not any(gap.level == level for gap in gaps)
            ]
        return tuple(sorted(gaps, key=lambda gap: gap.level))

    @property
    def coverage(self) -> tuple[LevelCoverage, ...]:
        """How much of each level was compared."""
        rows = []
        for level in self.levels:
            checked, total, unit = self._coverage.get(level, (0, 0, ""))
            reason = self._reasons.get(level, "")
            rows.append(LevelCoverage(level=level, checked=checked, total=total, unit=unit, note=reason))
        return tuple(rows)
