"""Text that a terminal only shows."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

_NO_TERMINAL = os.terminal_size((100, 40))
"""Columns and lines where text does not go to a terminal: the same wherever it is made, in a notebook or a pipe."""

_BLANKS = "\n\t\N{NO-BREAK SPACE}"


def terminal_size() -> os.terminal_size:
    """Columns and lines to write for."""
    return shutil.get_terminal_size(_NO_TERMINAL) if sys.stdout.isatty() else _NO_TERMINAL


def text_columns(width: int | None) -> int:
    """Columns to write for: `width`, or those of the terminal if it is not given, and never too few for words."""
    return max(width or terminal_size().columns, 40)


def printable(text: str) -> str:
    """Leave out what a terminal would act on: escape sequences, carriage returns, backspaces."""
    return "".join(
        c if c.isprintable() else " " if c in _BLANKS else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def fold(line: str, width: int, indent: str = "") -> list[str]:
    """Break a line of words that is too long; names and urls stay whole."""
    folded = textwrap.wrap(
        line,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )
    return folded or [""] if len(line) > width else [line]
