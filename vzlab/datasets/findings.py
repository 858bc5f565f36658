"""What a compatibility check found: findings, who has what, and the report that holds them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

type Severity = Literal[
    "merges", "harmless", "rectilinear", "re-encode", "refused", "silently wrong elsewhere"
]
"""From "no difference" to "other tools would combine this and give wrong numbers"."""

PROBLEMS: frozenset[Severity] = frozenset({"re-encode", "refused", "silently wrong elsewhere"})
FACETS = (
    "presence",
    "shape, dtype",
    "chunks",
    "codecs",
    "packing, fill",
    "units",
    "coordinates",
    "attributes",
)
"""What is compared of each variable, in the order of the matrix's columns."""


@dataclass(frozen=True, kw_only=True)
class Holders:
    """Files that have the same."""

    value: str
    """What they have, in words."""
    files: tuple[int, ...]
    """Their positions in the report's list of files, ascending."""

    @property
    def runs(self) -> str:
        """Positions with runs drawn together, such as ``0-5, 7``."""
        return ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in _runs(self.files))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference between files, with its consequence."""

    variable: str
    """Name of the variable; empty for the dataset itself."""
    facet: str
    """Which of `FACETS` it concerns."""
    severity: Severity
    sentence: str
    """What was found and what would follow."""
    holders: tuple[Holders, ...] = ()
    """Who has what, the most common first."""
    fix: str = ""
    """Python that resolves it; empty where nothing needs to be done."""
    short: str = ""
    """It in two or three words, for a matrix; empty where the holders say it."""

    @property
    def is_problem(self) -> bool:
        """Whether the files are not combined as they are."""
        return self.severity in PROBLEMS


@dataclass(frozen=True, kw_only=True)
class CompatibilityReport:
    """Whether files make one honest dataset, and who differs in what."""

    files: tuple[str, ...]
    """Names of the files, in the order in which they were given."""
    variables: tuple[str, ...]
    concat_dim: str | None
    """The dimension along which the files follow each other; None if that could not be told."""
    order: tuple[int, ...]
    """Positions of the files in the order that their coordinate proposes."""
    findings: tuple[Finding, ...] = field(default=())

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Findings for which the files are not combined as they are."""
        return tuple(finding for finding in self.findings if finding.is_problem)

    @property
    def compatible(self) -> bool:
        """Whether the files can be combined as they are."""
        return not self.problems

    @property
    def headline(self) -> str:
        """One line: how many files, along what, with what result."""
        along = f" along {self.concat_dim}" if self.concat_dim else ""
        n_problems = len(self.problems)
        n_other = len(self.findings) - n_problems
        text = f"{_count(len(self.files), 'file')}{along}: " + (
            _count(n_problems, "problem") if n_problems else "compatible"
        )
        return text + (f", {_count(n_other, 'harmless difference')}" if n_other else "")

    def cell(self, variable: str, facet: str) -> Finding | None:
        """The gravest finding about one variable and facet."""
        ranks: Sequence[Severity] = (
            "silently wrong elsewhere", "refused", "re-encode", "rectilinear", "harmless", "merges",
        )  # fmt: skip
        found = [f for f in self.findings if f.variable == variable and f.facet == facet]
        return min(found, key=lambda finding: ranks.index(finding.severity), default=None)

    def names_of(self, holders: Holders, limit: int = 3) -> str:
        """Names of the files of one group: a few of them in full."""
        names = [self.files[i] for i in holders.files]
        rest = len(names) - limit
        return ", ".join(names if rest <= 0 else names[:limit]) + (f" and {rest} more" if rest > 0 else "")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "files": list(self.files),
            "variables": list(self.variables),
            "concat_dim": self.concat_dim,
            "order": list(self.order),
            "compatible": self.compatible,
            "findings": [
                {
                    "variable": finding.variable,
                    "facet": finding.facet,
                    "severity": finding.severity,
                    "sentence": finding.sentence,
                    "holders": [{"value": h.value, "files": h.runs} for h in finding.holders],
                    "fix": finding.fix,
                }
                for finding in self.findings
            ],
        }

    def __str__(self) -> str:
        lines = [self.headline]
        for finding in sorted(self.findings, key=lambda f: not f.is_problem):
            mark = "!!" if finding.is_problem else "--"
            lines.append(f" {mark} {finding.sentence}  [{finding.severity}]")
            lines += [
                f"      {_count(len(holders.files), 'file')}: {holders.value}  ({self.names_of(holders)})"
                for holders in finding.holders
            ]
            if finding.fix:
                lines += [f"      > {line}" for line in finding.fix.splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        # The drawing layer lies above this one; a display hook is the one place that looks up to it, by name.
        return importlib.import_module("vzlab.render.compatibility").to_html(self)  # type: ignore[no-any-return]


def _runs(positions: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for i in positions:
        if runs and runs[-1][1] == i - 1:
            runs[-1] = (runs[-1][0], i)
        else:
            runs.append((i, i))
    return runs


def differing(value: str, values: Iterable[str]) -> str:
    """The comma-separated parts of a value that not all have: ``scale_factor 0.1``."""
    common = set.intersection(*(set(other.split(", ")) for other in values))
    return ", ".join(part for part in value.split(", ") if part not in common) or value


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"
