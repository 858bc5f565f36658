"""A plan of what is encoded again as HTML and as text: how much in all, then each variable with its files and reasons."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from vzlab.datasets.reencode import Reencoding, ReencodingPlan
from vzlab.inspection.words import format_bytes
from vzlab.render.html import Content, Markup, callout, card, dim, heading, join, mono, strong, table
from vzlab.render.printable import fold, printable, text_columns

MAX_ROWS = 60
"""Rows of the table; more are counted."""

NOTHING = "Nothing to encode again."


def to_html(plan: ReencodingPlan, *, upgrade: bool = True) -> Markup:
    """The plan as one self-contained element."""
    if not plan.steps:
        return card(callout(NOTHING, tone="good"), upgrade=upgrade)
    rows: list[list[Content]] = [
        [
            mono(steps[0].variable),
            _files(plan, steps),
            ", ".join(steps[0].reasons),
            f"{sum(step.n_chunks for step in steps):,}",
            format_bytes(sum(step.stored_bytes for step in steps)),
            format_bytes(sum(step.decoded_bytes for step in steps)),
        ]
        for steps in itertools.islice(_groups(plan), MAX_ROWS)
    ]
    parts: list[Content] = [
        heading(strong("Plan"), " ", _count(plan)),
        callout(_amounts(plan), tone="note"),
        table(rows, header=["variable", "files", "what differs", "chunks", "to read", "decoded"]),
    ]
    if (more := sum(1 for _ in _groups(plan)) - MAX_ROWS) > 0:
        parts.append(dim(f"and {more:,} more"))
    return card(join(parts, ""), upgrade=upgrade)


def to_text(plan: ReencodingPlan, *, width: int | None = None) -> str:
    """The plan as text: the sum in a sentence, then a line for each variable."""
    if not plan.steps:
        return NOTHING
    lines = [f"{_count(plan)}: {_amounts(plan)}"]
    for steps in _groups(plan):
        n_chunks = sum(step.n_chunks for step in steps)
        lines.append(
            f"  {steps[0].variable} in {_files(plan, steps)}: {n_chunks:,} chunk{'s' * (n_chunks != 1)} "
            f"({', '.join(steps[0].reasons)})"
        )
    columns = text_columns(width)
    return "\n".join(part for line in lines for part in fold(printable(line), columns, "    "))


def _groups(plan: ReencodingPlan) -> Iterator[list[Reencoding]]:
    """Files of one variable that differ in the same."""
    ordered = sorted(plan.steps, key=lambda step: (step.variable, step.reasons, step.file))
    for _, steps in itertools.groupby(ordered, key=lambda step: (step.variable, step.reasons)):
        yield list(steps)


def _files(plan: ReencodingPlan, steps: list[Reencoding]) -> str:
    more = f" and {len(steps) - 1:,} more" if len(steps) > 1 else ""
    return f"{plan.files[steps[0].file]}{more}"


def _count(plan: ReencodingPlan) -> str:
    n_files = len({step.file for step in plan.steps})
    chunks = f"{plan.n_chunks:,} chunk{'s' * (plan.n_chunks != 1)}"
    return f"{chunks} of {n_files:,} of {len(plan.files):,} files {'is' if plan.n_chunks == 1 else 'are'} to be encoded again"


def _amounts(plan: ReencodingPlan) -> str:
    return f"{plan.stored_bytes:,} bytes to read, {plan.decoded_bytes:,} once decoded. They become chunks of the new store."
