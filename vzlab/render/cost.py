"""A cost, or several side by side, as HTML and as text: the sentence, the figures, the files."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vzlab.inspection.cost import Cost, CostComparison
from vzlab.inspection.words import format_bytes, format_count, format_dims, format_list, format_shape, shorten
from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    Tone,
    callout,
    card,
    details,
    dim,
    element,
    heading,
    join,
    mono,
    name,
    strong,
    table,
)
from vzlab.render.printable import fold, printable, text_columns
from vzlab.storage import url_name

MAX_COSTS = 20
"""Costs that stand side by side."""
SHOWN_FILES = 20
HIGH_AMPLIFICATION = 10
"""From here on a reader is told that most of what is fetched is thrown away."""


def to_html(told: Cost | CostComparison, *, upgrade: bool = True) -> Markup:
    """One or several as one self-contained element."""
    return card(body(told), upgrade=upgrade)


def body(told: Cost | CostComparison) -> Markup:
    """One or several without their card, to stand inside another view."""
    costs = _each(told)
    shown, first = costs[:MAX_COSTS], costs[0]
    parts: list[Content] = [heading(*_heading(costs))]
    if len(costs) == 1:
        parts.append(callout(_sentence(first), tone=_tone(first)))
    else:
        parts.append(callout(_comparison(shown), tone="note"))
    rows = _rows(shown)
    header: list[Content] = [
        "",
        *(join([strong(shorten(cost.selection, 60)), _chunks_of(cost)], "") for cost in shown),
    ]
    parts.append(table(_with_bars(rows, shown), header=header))
    parts.append(element("div", dim(_assumptions(first)), style="font-size:.88em;margin:.3em 0"))
    parts += [callout(text, tone=tone) for text, tone in _rechunkings(shown).items()]
    if len(shown) < len(costs):
        parts.append(dim(f"and {len(costs) - len(shown):,} more"))
    if len(costs) == 1 and first.files and first.rechunking is None:
        parts.append(
            details(
                join([strong("Files"), dim(f"{first.n_files:,}")]), _files(first), is_open=first.n_files <= 5
            )
        )
    return join(parts, "")


def _chunks_of(cost: Cost) -> Markup:
    text = f"chunks of {format_shape(cost.chunk_shape)}"
    return element("div", dim(f"if {text}" if cost.rechunking else text), style="font-weight:400")


# -- words that both views share -----------------------------------------------------------------------------


def _heading(costs: Sequence[Cost]) -> tuple[str, str]:
    first = costs[0]
    about = format_dims(first.dims, first.shape)
    about += f", chunks of {format_shape(first.chunk_shape)}" if first.shape else ""
    if len(costs) == 1:
        return shorten(first.title, 160), shorten(about, 200)
    return (
        f"{len(costs)} ways to read {shorten(format_list(dict.fromkeys(c.variable for c in costs)), 100)}",
        "",
    )


def _sentence(cost: Cost) -> str:
    if not cost.asked_bytes:
        return "The selection is empty: nothing is read."
    text = (
        f"Reading {format_bytes(cost.asked_bytes)} of values takes {format_count(cost.n_requests, 'request')} "
        f"and {format_bytes(cost.fetched_bytes)} from {format_count(cost.n_files, 'file')}, about {_time(cost.time_s)}"
    )
    if _differs(cost):
        text += (
            f"; chunk by chunk, {format_count(cost.n_separate, 'request')} and {format_bytes(cost.stored_bytes)}, "
            f"about {_time(cost.separate_time_s)}"
        )
    text += "."
    if cost.decoded_amplification >= HIGH_AMPLIFICATION:
        text += (
            f" Of every {cost.decoded_amplification:,.0f} values that are decoded, one was asked for: the chunks lie across "
            "this selection."
        )
    if cost.n_missing:
        text += f" {format_count(cost.n_missing, 'chunk was', 'chunks were')} never written and cost nothing."
    return text


def _differs(cost: Cost) -> bool:
    """Whether fetching chunk by chunk is something else."""
    return (cost.n_requests, cost.fetched_bytes) != (cost.n_separate, cost.stored_bytes)


def _comparison(costs: Sequence[Cost]) -> str:
    quickest, slowest = (choose(costs, key=lambda cost: cost.time_s) for choose in (min, max))
    if not quickest.time_s or slowest.time_s / quickest.time_s < 1.05:
        return "They take about the same."
    factor = slowest.time_s / quickest.time_s
    return f"{_name(slowest, costs)} takes {factor:,.3g} times as long as {_name(quickest, costs)}."


def _name(cost: Cost, costs: Sequence[Cost]) -> str:
    chunks = f" in chunks of {format_shape(cost.chunk_shape)}" if any(c.rechunking for c in costs) else ""
    return f"{shorten(cost.title, 80)}{chunks}"


def _rows(costs: Sequence[Cost]) -> list[tuple[str, list[str]]]:
    def row(name: str, cells: Sequence[str]) -> tuple[str, list[str]]:
        return name, list(cells)

    rows = [
        row("selects", [f"{format_shape(c.selected_shape)}, {format_bytes(c.asked_bytes)}" for c in costs]),
        row("chunks", [f"{c.n_chunks:,} of {math.prod(c.grid_shape):,}" for c in costs]),
        row("files", ["one imagined" if c.rechunking else f"{c.n_files:,}" for c in costs]),
        row("requests", [f"{c.n_requests:,}" for c in costs]),
        row("fetched", [format_bytes(c.fetched_bytes) for c in costs]),
        row("decoded", [format_bytes(c.decoded_bytes) for c in costs]),
        row("fetched per byte asked", [_factor(c.amplification) for c in costs]),
        row("decoded per byte asked", [_factor(c.decoded_amplification) for c in costs]),
        row("time", [_time(c.time_s) for c in costs]),
    ]
    if any(c.n_missing or c.n_inline for c in costs):
        rows.insert(2, row("missing, inline", [f"{c.n_missing:,}, {c.n_inline:,}" for c in costs]))
    if any(c.price is not None for c in costs):
        rows.append(row("price", [_price(c.price) for c in costs]))
    if any(_differs(c) for c in costs):
        rows.append(row("chunk by chunk", [_chunk_by_chunk(c) for c in costs]))
    return rows


def _chunk_by_chunk(cost: Cost) -> str:
    parts = [
        format_count(cost.n_separate, "request"),
        format_bytes(cost.stored_bytes),
        _time(cost.separate_time_s),
        _price(cost.separate_price),
    ]
    return ", ".join(filter(None, parts))


def _assumptions(cost: Cost) -> str:
    prices = cost.prices
    if cost.gap_bytes is None:
        how = "one for each chunk"
    else:
        limit = f", {format_bytes(cost.max_request_bytes)} at a time" if cost.max_request_bytes else ""
        how = f"chunks with at most {format_bytes(cost.gap_bytes)} between them together{limit}"
    if cost.takes_parts:
        how += "; of plain chunks, from the first to the last value that is selected"
    if cost.is_sharded:
        how += "; chunks that hold chunks are counted whole"
    return (
        f"Requests: {how}. Time: {prices.concurrency} requests at once, {1000 * prices.latency_s:g} ms each, "
        f"{format_bytes(prices.bandwidth_bytes_s)}/s in all; decoding left out."
    )


def _rechunkings(costs: Sequence[Cost]) -> dict[str, Tone]:
    """What is to be said of each other chunking, once."""
    said: dict[str, Tone] = {}
    for change in (cost.rechunking for cost in costs if cost.rechunking is not None):
        text = f"Chunks of {format_shape(change.chunk_shape)}: {change.reason}."
        if change.rewrite_bytes:
            text += f" Writing them reads all {format_bytes(change.rewrite_bytes)} once."
        text += " Their sizes are estimated by how well the present ones are compressed."
        said[text] = "good" if change.is_virtual else "warn"
    return said


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def _factor(factor: float) -> str:
    return "" if math.isnan(factor) else f"{factor:,.2f}" if factor < 10 else f"{factor:,.0f}"


def _price(price: float | None) -> str:
    return "" if price is None else f"{price:,.4g}"


def _tone(cost: Cost) -> Tone:
    return "warn" if cost.decoded_amplification >= HIGH_AMPLIFICATION else "good"


# -- HTML ----------------------------------------------------------------------------------------------------

_BARS = {"requests": "n_requests", "fetched": "fetched_bytes", "time": "time_s"}


def _with_bars(rows: Sequence[tuple[str, list[str]]], costs: Sequence[Cost]) -> list[list[Content | Cell]]:
    """Rows of the table; of several costs, bars under the figures that differ most."""
    built: list[list[Content | Cell]] = []
    for title, cells in rows:
        attribute = _BARS.get(title)
        values = [getattr(cost, attribute) for cost in costs] if attribute and len(costs) > 1 else []
        most = max(values, default=0)
        built.append(
            [
                title,
                *(
                    join([text, _bar(values[number] / most)], "") if most else text
                    for number, text in enumerate(cells)
                ),
            ]
        )
    return built


def _bar(share: float) -> Markup:
    style = f"width:{max(100 * share, 1):.1f}%;height:.45em;background:rgba(44,138,138,0.75);border-radius:2px;margin-top:.15em"
    return element("div", style=style)


def _files(cost: Cost) -> Markup:
    rows: list[Sequence[Content]] = [
        [
            name(shorten(url_name(file.url), 80)),
            f"{file.n_chunks:,}",
            f"{file.n_requests:,}",
            format_bytes(file.stored_bytes),
        ]
        for file in cost.files[:SHOWN_FILES]
    ]
    more = cost.n_files - len(rows)
    listed = table(rows, header=["file", "chunks", "requests", "stored"])
    return join([listed, mono(dim(f"and {more:,} more")) if more else None], "")


# -- text ----------------------------------------------------------------------------------------------------


def _each(told: Cost | CostComparison) -> Sequence[Cost]:
    return told.costs if isinstance(told, CostComparison) else (told,)


def to_text(told: Cost | CostComparison, *, width: int | None = None) -> str:
    """One or several for a terminal of `width` columns; the terminal's own if not given."""
    costs = _each(told)
    columns = text_columns(width)
    shown = costs[:MAX_COSTS]
    title, about = _heading(costs)
    lines = [
        f"{title}   {about}".rstrip(),
        _sentence(costs[0]) if len(costs) == 1 else _comparison(shown),
        "",
    ]
    rows = _rows(shown)
    if len(costs) > 1:
        names = [shorten(cost.selection, 30) for cost in shown]
        chunks = [f"{'if ' if cost.rechunking else ''}{format_shape(cost.chunk_shape)}" for cost in shown]
        rows = [("", names), ("chunk shape", chunks), *rows]
    first = max(len(name) for name, _ in rows)
    widths = [max(len(cells[number]) for _, cells in rows) for number in range(len(shown))]
    for row_title, cells in rows:
        padded = "   ".join(f"{cell:<{wide}}" for cell, wide in zip(cells, widths, strict=True))
        lines.append(f"{row_title:<{first}}  {padded}".rstrip())
    lines += ["", _assumptions(costs[0])]
    lines += _rechunkings(shown)
    return "\n".join(part for line in lines for part in fold(printable(line), columns))
