"""What can be done about a finding of the compatibility check: steps of the builder, each also a line of Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vzlab.builder.program import call
from vzlab.datasets.findings import ALLOWABLE, Finding, Holders

MAX_ODD = 0.5
"""Files are offered to be left out if they are fewer than this share of all."""


@dataclass(frozen=True, kw_only=True)
class Fix:
    """One way to resolve a finding: a step, with what it is told."""

    label: str
    """In words, for a button."""
    method: str
    """Of the builder."""
    arguments: Mapping[str, Any]

    @property
    def code(self) -> str:
        """The step as a line of Python."""
        return f"builder = {call('builder.' + self.method, **self.arguments)}"


def fixes_for(
    finding: Finding, files: Sequence[str], allowed: Sequence[str], dropped: Sequence[str]
) -> tuple[Fix, ...]:
    """Ways to resolve a finding, the one that keeps most first.

    Parameters
    ----------
    finding : Finding
    files : sequence of str
        What to call each file: its name, or its url where a name would not do.
    allowed, dropped : sequence of str
        What is allowed and dropped already.
    """
    if not finding.is_problem:
        return ()
    name = finding.variable
    fixes = []
    if "reencode" in finding.repairs:
        fixes.append(
            Fix(
                label="Encode the odd files' chunks as the others'",
                method="choose",
                arguments={"on_mismatch": "reencode"},
            )
        )
    if odd := _odd(finding.holders, len(files)):
        named = [files[i] for i in odd]
        words = named[0] if len(named) == 1 else f"{len(named):,} files"
        fixes.append(Fix(label=f"Leave out {words}", method="leave_out", arguments={"names": named}))
    if "load" in finding.repairs:
        fixes.append(
            Fix(
                label=f"Load {name} of all files into memory",
                method="choose",
                arguments={"on_mismatch": "load"},
            )
        )
    if finding.kind == "same file":
        fixes.append(Fix(label="Take each file once", method="unique", arguments={}))
    if finding.kind == "fill":
        fixes.append(Fix(label="Keep only what all files have", method="choose", arguments={"join": "inner"}))
    if name and finding.kind in ("absent", "static", "shape", "encoding", "packing", "units", "no group"):
        fixes.append(
            Fix(
                label=f"Drop {name}",
                method="choose",
                arguments={"drop_variables": [*dropped, name.strip("/")]},
            )
        )
    if finding.kind in ALLOWABLE:
        fixes.append(
            Fix(
                label=f"Allow it: {ALLOWABLE[finding.kind]}",
                method="choose",
                arguments={"allow": sorted({*allowed, finding.kind})},
            )
        )
    return tuple(fixes)


def _odd(holders: Sequence[Holders], n_files: int) -> list[int]:
    """Positions of the files that are not as most are; none if no few are the odd ones."""
    odd = sorted({i for group in holders[1:] for i in group})
    return odd if 0 < len(odd) < n_files * MAX_ODD else []
