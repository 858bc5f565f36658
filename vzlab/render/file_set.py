"""What many files have in common and in what they differ, as text and as HTML."""

from __future__ import annotations

from vzlab.inspection.file_set import FileSet
from vzlab.inspection.words import format_bytes, format_count, format_list, shorten
from vzlab.render import html
from vzlab.render.html import Markup
from vzlab.render.printable import printable

_TEXT_VARYING = 6
_HTML_VARYING = 40


def file_set_lines(files: FileSet) -> list[str]:
    """Say in a few lines what is common, what varies, and how large the files are.

    Parameters
    ----------
    files : FileSet
    """
    found = [_headline(files)]
    if files.common:
        found.append(f"alike in all: {format_list(files.common, most=8)}")
    found += [f"  {_held(one.sentence, one.held)}" for one in files.varying[:_TEXT_VARYING]]
    if len(files.varying) > _TEXT_VARYING:
        found.append(f"  and {len(files.varying) - _TEXT_VARYING:,} more differences: .files.varying")
    return [printable(line) for line in found]


def _headline(files: FileSet) -> str:
    parts = [format_count(files.n_files, "file"), f"{format_count(files.n_chunks, 'chunk')} in all"]
    if files.total_bytes is not None and files.min_bytes is not None and files.max_bytes is not None:
        parts.append(f"{format_bytes(files.min_bytes)} to {format_bytes(files.max_bytes)} each")
        parts.append(f"{format_bytes(files.total_bytes)} together")
    return " · ".join([*parts, f"variables as in {files.described}"])


def _held(sentence: str, held: tuple[tuple[str, int], ...]) -> str:
    listed = format_list([f"{shorten(value, 60)} in {n:,}" for value, n in held], most=4)
    return sentence + (f" ({listed})" if listed else "")


def file_set_card(files: FileSet) -> Markup:
    """Draw what is common and what varies, as lines that open.

    Parameters
    ----------
    files : FileSet
    """
    rows = [
        (
            html.strong(shorten(one.variable or "attributes", 80)),
            one.what,
            shorten(one.sentence, 300),
            html.dim(format_list([f"{shorten(value, 60)}: {n:,}" for value, n in one.held], most=4)),
        )
        for one in files.varying[:_HTML_VARYING]
    ]
    more = len(files.varying) - _HTML_VARYING
    return html.details(
        (html.strong("All files"), " ", html.dim(shorten(_headline(files), 300))),
        html.element("div", f"Alike in all: {shorten(format_list(files.common, most=40), 2000)}.")
        if files.common
        else None,
        html.table(rows, header=("variable", "what", "how it differs", "files"))
        if rows
        else html.dim("Nothing differs."),
        html.dim(f"and {more:,} more differences") if more > 0 else None,
        is_open=bool(rows),
    )
