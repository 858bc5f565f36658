"""Recordings as a waterfall of requests, with a table that says the same, as HTML and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vzlab.inspection.record import Recording, RecordingComparison, RequestColumns
from vzlab.inspection.words import format_bytes, format_count, format_list, shorten
from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    Tone,
    callout,
    card,
    columns,
    details,
    dim,
    element,
    heading,
    image,
    join,
    label,
    legend,
    name,
    strong,
    table,
)
from vzlab.render.png import encode_png
from vzlab.render.printable import fold, printable, text_columns
from vzlab.storage import url_name

WIDTH_PX = 640
MAX_ROWS = 160
"""Rows of the picture: of more requests, several share a row."""
SHOWN_REQUESTS = 60
SHOWN_FILES = 20

_METADATA, _DATA, _REPEAT = 1, 2, 3
_COLOURS = ((0, 0, 0), (60, 112, 150), (44, 138, 138), (214, 110, 58))
_NAMES = ("", "metadata", "chunks", "bytes that came before")
_PALETTE = np.array([(128, 128, 128, 20), *((*colour, 255) for colour in _COLOURS[1:])], np.uint8)


def to_html(told: Recording | RecordingComparison) -> Markup:
    """One or several as one self-contained element."""
    return card(body(told))


def body(told: Recording | RecordingComparison) -> Markup:
    """One or several without their card, to stand inside another view."""
    recordings = _each(told)
    longest_s = max((recording.elapsed_s for recording in recordings), default=0.0)
    if len(recordings) == 1:
        return join([heading(shorten(recordings[0].title, 120)), *_one(recordings[0], longest_s)], "")
    blocks = [
        join([label(shorten(recording.title, 80)), *_one(recording, longest_s)], "")
        for recording in recordings
    ]
    title = heading(shorten(format_list([r.title for r in recordings]), 120), "on one scale of time")
    return join([title, callout(_comparison(recordings)), _figures(recordings), columns(*blocks)], "")


def _one(recording: Recording, longest_s: float) -> list[Content]:
    parts: list[Content] = [callout(sentence(recording), tone="warn" if recording.wasted_bytes else "good")]
    if not recording.n_requests:
        return parts
    picture = draw_waterfall(recording.columns, longest_s)
    used = sorted({int(code) for code in np.unique(_codes(recording.columns))})
    parts += [
        image(picture.png, alt=picture.alt, max_width_em=46),
        element(
            "div",
            element("span", "0 s"),
            element("span", f"{_time(longest_s)}"),
            style="display:flex;justify-content:space-between;font-size:.84em;opacity:.68;max-width:54em",
        ),
        legend(
            [(_COLOURS[code], _NAMES[code]) for code in used],
            title="each bar a request, from top to bottom as they began:",
        ),
    ]
    files = recording.files
    parts.append(
        details(join([strong("Files"), dim(f"{len(files):,}")]), _files(recording), is_open=len(files) <= 5)
    )
    parts.append(
        details(join([strong("Requests"), dim(f"{recording.n_requests:,}")]), _requests(recording.columns))
    )
    return parts


# -- words that both views share -----------------------------------------------------------------------------


def sentence(recording: Recording) -> str:
    """What a recording shows, in a sentence or two."""
    if not recording.n_requests:
        return "No request was made from Python. What Icechunk or the HDF5 library read by themselves is not seen."
    n_metadata, n_data = recording.n_metadata, recording.n_data
    if n_metadata and n_data:
        what = f"{n_metadata:,} for metadata and {n_data:,} for chunks, "
    else:
        what = "all for metadata, " if n_metadata else "all for chunks, "
    text = (
        f"{format_count(recording.n_requests, 'request')}, {what if recording.n_requests > 1 else ''}"
        f"{format_bytes(recording.total_bytes)} from {format_count(len(recording.files), 'file')} "
        f"in {_time(recording.elapsed_s)}."
    )
    if recording.wasted_bytes:
        text += (
            f" {format_bytes(recording.wasted_bytes)} of it had come before, "
            f"{format_count(recording.n_repeats, 'request')} for nothing else."
        )
    return text


def _comparison(recordings: Sequence[Recording]) -> str:
    fewest, most = (choose(recordings, key=len) for choose in (min, max))
    if len(fewest) == len(most):
        return f"Each makes {format_count(len(fewest), 'request')}."
    return f"{fewest.title} makes {format_count(len(fewest), 'request')}, {most.title} {len(most):,}."


def _rows(recordings: Sequence[Recording]) -> list[tuple[str, list[str]]]:
    return [
        ("requests", [f"{r.n_requests:,}" for r in recordings]),
        ("for metadata", [f"{r.n_metadata:,}" for r in recordings]),
        ("for chunks", [f"{r.n_data:,}" for r in recordings]),
        ("asked for", [format_bytes(r.total_bytes) for r in recordings]),
        ("came before", [format_bytes(r.wasted_bytes) for r in recordings]),
        ("took", [_time(r.elapsed_s) for r in recordings]),
        ("a request under way", [_time(r.busy_s) for r in recordings]),
    ]


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _figures(recordings: Sequence[Recording]) -> Markup:
    rows: list[Sequence[Content | Cell]] = [[title, *cells] for title, cells in _rows(recordings)]
    return table(rows, header=["", *(shorten(recording.title, 60) for recording in recordings)])


# -- the picture ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Waterfall:
    """A picture of requests over time."""

    png: bytes
    alt: str


def draw_waterfall(columns: RequestColumns, longest_s: float) -> Waterfall:
    """Draw requests as bars over time, one below the other.

    Parameters
    ----------
    columns : RequestColumns
    longest_s : float
        Seconds across the picture.
    """
    n = len(columns.started_s)
    n_rows = min(n, MAX_ROWS)
    height = max(2, min(8, 240 // n_rows))
    per_second = (WIDTH_PX - 1) / max(longest_s, float(columns.ended_s.max()), 1e-9)
    row = np.arange(n) * n_rows // n
    first = np.clip((columns.started_s * per_second).astype(np.int64), 0, WIDTH_PX - 1)
    last = np.clip((columns.ended_s * per_second).astype(np.int64), first, WIDTH_PX - 1)
    bars = np.zeros((n_rows, WIDTH_PX + 1, 4), np.int64)
    codes = _codes(columns)
    np.add.at(bars, (row, first, codes), 1)
    np.add.at(bars, (row, last + 1, codes), -1)
    shown = np.cumsum(bars, axis=1)[:, :WIDTH_PX] > 0
    # What was wasted must be seen, however short: it is painted last.
    pixels = np.where(shown[..., _REPEAT], _REPEAT, np.where(shown[..., _DATA], _DATA, shown[..., _METADATA]))
    tall = np.repeat(pixels.astype(np.uint8), height, axis=0)
    if height > 2:
        tall[height - 1 :: height] = 0
    return Waterfall(png=encode_png(tall, _PALETTE), alt=_alt(columns, codes, longest_s))


def _codes(columns: RequestColumns) -> npt.NDArray[np.int64]:
    purpose = np.where(columns.is_data, _DATA, _METADATA)
    return np.where(columns.is_repeat, _REPEAT, purpose)


def _alt(columns: RequestColumns, codes: npt.NDArray[np.int64], longest_s: float) -> str:
    n = len(codes)
    busy = float((columns.ended_s - columns.started_s).sum())
    span = float(columns.ended_s.max() - columns.started_s.min())
    at_once = busy / span if span else 1.0
    counts = [f"{int((codes == code).sum()):,} {_NAMES[code]}" for code in (1, 2, 3) if (codes == code).any()]
    return (
        f"Waterfall of {format_count(n, 'request')} over {_time(longest_s)}: {', '.join(counts)}; "
        f"on average {at_once:.1f} under way at once."
    )


# -- tables --------------------------------------------------------------------------------------------------


def _files(recording: Recording) -> Markup:
    files = recording.files
    rows: list[Sequence[Content]] = [
        [
            name(shorten(url_name(file.url), 80)),
            f"{file.n_requests:,}",
            format_bytes(file.n_bytes),
            format_bytes(file.wasted_bytes) if file.wasted_bytes else "",
        ]
        for file in files[:SHOWN_FILES]
    ]
    more = len(files) - len(rows)
    listed = table(rows, header=["file", "requests", "asked for", "came before"])
    return join([listed, dim(f"and {more:,} more") if more else None], "")


def _requests(columns: RequestColumns) -> Markup:
    n = len(columns.file)
    is_one_file = len(columns.urls) == 1
    rows: list[Sequence[Content | Cell]] = []
    for number in range(min(n, SHOWN_REQUESTS)):
        start, end = float(columns.started_s[number]), float(columns.ended_s[number])
        tone: Tone | None = "warn" if columns.is_repeat[number] else None
        url = columns.urls[int(columns.file[number])]
        rows.append(
            [
                f"{number + 1:,}",
                Cell(content=_unbroken(_kind(columns, number)), tone=tone),
                f"{int(columns.offsets[number]):,}",
                f"{int(columns.lengths[number]):,}",
                f"{1000 * start:.1f}",
                f"{1000 * (end - start):.1f}",
                *([] if is_one_file else [_unbroken(shorten(url_name(url), 60))]),
            ]
        )
    header = ["", "for", "from byte", "bytes", "began, ms", "took, ms", *([] if is_one_file else ["file"])]
    return join(
        [table(rows, header=header), dim(f"and {n - len(rows):,} more") if n > len(rows) else None], ""
    )


def _unbroken(text: str) -> Markup:
    return element("span", text, style="white-space:nowrap")


def _kind(columns: RequestColumns, number: int) -> str:
    purpose = "a chunk" if columns.is_data[number] else "metadata"
    return f"{purpose}, again" if columns.is_repeat[number] else purpose


# -- text ----------------------------------------------------------------------------------------------------


def _each(told: Recording | RecordingComparison) -> Sequence[Recording]:
    return told.recordings if isinstance(told, RecordingComparison) else (told,)


def to_text(told: Recording | RecordingComparison, *, width: int | None = None) -> str:
    """One or several for a terminal of `width` columns; the terminal's own if not given."""
    recordings = _each(told)
    wide = text_columns(width)
    if len(recordings) > 1:
        lines = [_comparison(recordings), ""]
        rows = [("", [shorten(r.title, 30) for r in recordings]), *_rows(recordings)]
        first = max(len(title) for title, _ in rows)
        widths = [max(len(cells[n]) for _, cells in rows) for n in range(len(recordings))]
        for title, cells in rows:
            padded = "   ".join(f"{cell:<{w}}" for cell, w in zip(cells, widths, strict=True))
            lines.append(f"{title:<{first}}  {padded}".rstrip())
        return "\n".join(map(printable, lines))
    recording = recordings[0]
    lines = [f"{recording.title}: {sentence(recording)}"]
    if recording.n_requests:
        lines += ["", *_bars(recording.columns, recording.elapsed_s, wide)]
    return "\n".join(part for line in lines for part in fold(printable(line), wide))


def _bars(columns: RequestColumns, longest_s: float, width: int) -> list[str]:
    """The first requests as bars of characters."""
    shown = min(len(columns.started_s), 20)
    room = max(width - 40, 10)
    scale = room / max(longest_s, 1e-9)
    lines = []
    for number in range(shown):
        start, end = float(columns.started_s[number]), float(columns.ended_s[number])
        left = min(int(start * scale), room - 1)
        bar = "·" * left + "█" * max(1, min(int((end - start) * scale), room - left))
        lines.append(f"{_kind(columns, number):<15} {int(columns.lengths[number]):>12,} B  {bar}")
    more = len(columns.started_s) - shown
    return [*lines, f"and {more:,} more"] if more else lines
