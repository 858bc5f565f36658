"""What a compatibility check found: findings, who has what, and the report that holds them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from vzlab.display import Displayed

SCHEMA = "vzlab-check/1"
"""Name and version of the JSON form."""

type Severity = Literal[
    "merges",
    "harmless",
    "needs a rectilinear grid",
    "needs re-encoding",
    "refused",
    "silently wrong elsewhere",
]
"""From "no difference" to "other tools would combine this and give wrong numbers"."""

type Kind = Literal[
    "absent",
    "attributes",
    "chunks",
    "disorder",
    "duplicates",
    "encoding",
    "fill",
    "flipped",
    "gap",
    "no dimension",
    "no group",
    "order",
    "overlap",
    "packing",
    "partial",
    "same file",
    "shape",
    "static",
    "units",
    "unreadable",
]
"""What was found, in one name: refusals are allowed by it."""

ALLOWABLE: dict[str, str] = {
    "absent": "variables that some files lack are filled with their missing value",
    "disorder": "the combined dimension may run backwards from one file to the next",
    "duplicates": "positions along the combined dimension may appear twice",
    "fill": "a join of differing labels may put missing values where a file has none of its own",
    "overlap": "files may overlap along the combined dimension",
    "precision": "re-encoding may round numbers to the packing of the other files",
    "same file": "a file may be there twice",
    "static": "variables that do not follow the combined dimension are taken from the first file",
}
"""Refusals that can be allowed by name, and what is then done."""

SEVERITIES: tuple[Severity, ...] = (
    "silently wrong elsewhere", "refused", "needs re-encoding", "needs a rectilinear grid", "harmless", "merges",
)  # fmt: skip
"""The gravest first."""
PROBLEMS: frozenset[Severity] = frozenset({"needs re-encoding", "refused", "silently wrong elsewhere"})
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
MAX_RUNS = 8
"""More runs of files than this are counted, not listed, in text."""


@dataclass(frozen=True, kw_only=True)
class Holders:
    """Files that have the same, as runs: what a thousand files share takes no more room than what one has."""

    value: str
    """What they have, in words."""
    runs: tuple[tuple[int, int], ...]
    """First and last position of each run in the report's list of files, ascending."""

    @classmethod
    def of(cls, value: str, files: Iterable[int]) -> Holders:
        """Holders from positions in ascending order."""
        return cls(value=value, runs=tuple(_runs(files)))

    @property
    def files(self) -> tuple[int, ...]:
        """Their positions in the report's list of files, ascending."""
        return tuple(self)

    @property
    def n_files(self) -> int:
        """How many files there are."""
        return sum(last - first + 1 for first, last in self.runs)

    @property
    def where(self) -> str:
        """Positions with runs drawn together, such as ``0-5, 7``."""
        shown = ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in self.runs[:MAX_RUNS])
        rest = len(self.runs) - MAX_RUNS
        return f"{shown} and {rest} more runs" if rest > 0 else shown

    def __iter__(self) -> Iterator[int]:
        return itertools.chain.from_iterable(range(first, last + 1) for first, last in self.runs)


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
    kind: Kind
    """What it is, in one name; those in `ALLOWABLE` can be allowed."""
    holders: tuple[Holders, ...] = ()
    """Who has what, the most common first."""
    fix: str = ""
    """Python that resolves it; empty where nothing needs to be done."""
    short: str = ""
    """It in two or three words, for a matrix; empty where the holders say it."""
    repairs: frozenset[str] = frozenset()
    """Which of ``"reencode"`` and ``"load"`` mend it, as `on_mismatch` of `open_virtual_mfdataset`."""

    @property
    def is_problem(self) -> bool:
        """Whether the files are not combined as they are."""
        return self.severity in PROBLEMS


@dataclass(frozen=True, kw_only=True, repr=False)
class CompatibilityReport(Displayed):
    """Whether files make one honest dataset, and who differs in what."""

    _view: ClassVar[str] = "compatibility"

    files: tuple[str, ...]
    """Names of the files, in the order in which they were given."""
    variables: tuple[str, ...]
    concat_dims: tuple[str, ...] = ()
    """The dimensions along which the files follow each other, outermost first; none if that could not be told."""
    positions: tuple[tuple[int, ...], ...] = ()
    """Place of each file along each of `concat_dims`."""
    findings: tuple[Finding, ...] = field(default=())

    @property
    def concat_dim(self) -> str | None:
        """The dimension along which the files follow each other, if it is one."""
        return self.concat_dims[0] if len(self.concat_dims) == 1 else None

    @property
    def order(self) -> tuple[int, ...]:
        """Positions of the files in the order that is proposed."""
        if not self.positions:
            return tuple(range(len(self.files)))
        return tuple(sorted(range(len(self.files)), key=self.positions.__getitem__))

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Findings for which the files are not combined as they are."""
        return tuple(finding for finding in self.findings if finding.is_problem)

    @property
    def compatible(self) -> bool:
        """Whether the files can be combined as they are."""
        return not self.problems

    def without(self, *, allow: Collection[str] = (), repaired_by: str | None = None) -> CompatibilityReport:
        """The report without the problems that are allowed by name or that `on_mismatch` mends."""
        kept = [
            finding
            for finding in self.findings
            if not finding.is_problem
            or not (finding.kind in allow or (repaired_by is not None and repaired_by in finding.repairs))
        ]
        return replace(self, findings=tuple(kept))

    @property
    def headline(self) -> str:
        """One line: how many files, along what, with what result."""
        along = f" along {' and '.join(self.concat_dims)}" if self.concat_dims else ""
        n_problems = len(self.problems)
        n_other = len(self.findings) - n_problems
        text = f"{_count(len(self.files), 'file')}{along}: " + (
            _count(n_problems, "problem") if n_problems else "compatible"
        )
        return text + (f", {_count(n_other, 'harmless difference')}" if n_other else "")

    def cell(self, variable: str, facet: str) -> Finding | None:
        """The gravest finding about one variable and facet; None if the files agree."""
        found = [f for f in self.findings if f.variable == variable and f.facet == facet]
        return min(found, key=lambda finding: SEVERITIES.index(finding.severity), default=None)

    def severity(self, variable: str, facet: str) -> Severity:
        """One cell of the matrix of variables and differences; ``"merges"`` where the files agree."""
        finding = self.cell(variable, facet)
        return "merges" if finding is None else finding.severity

    def names_of(self, holders: Holders) -> str:
        """Names of the files of one group: three of them, and how many more there are."""
        names = [self.files[i] for i in itertools.islice(holders, 3)]
        rest = holders.n_files - 3
        return ", ".join(names) + (f" and {rest:,} more" if rest > 0 else "")

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, of which ``schema`` is "vzlab-check/1"."""
        return {
            "schema": SCHEMA,
            "files": list(self.files),
            "variables": list(self.variables),
            "concat_dims": list(self.concat_dims),
            "order": list(self.order),
            "compatible": self.compatible,
            "findings": [
                {
                    "variable": finding.variable,
                    "facet": finding.facet,
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "sentence": finding.sentence,
                    "holders": [
                        {"value": h.value, "files": [list(run) for run in h.runs]} for h in finding.holders
                    ],
                    "fix": finding.fix,
                    "repairs": sorted(finding.repairs),
                }
                for finding in self.findings
            ],
        }


def _runs(positions: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for i in positions:
        if runs and runs[-1][1] == i - 1:
            runs[-1] = (runs[-1][0], i)
        else:
            runs.append((i, i))
    return runs


_ATTRIBUTE_BEGINS = re.compile(r", (?=[A-Za-z_]\w* )")
"""What stands between attributes, and not between the members of a list."""


def differing(value: str, values: Iterable[str]) -> str:
    """The comma-separated parts of a value that not all have: ``scale_factor 0.1``."""
    common = set.intersection(*(set(_ATTRIBUTE_BEGINS.split(other)) for other in values))
    return ", ".join(part for part in _ATTRIBUTE_BEGINS.split(value) if part not in common) or value


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"
