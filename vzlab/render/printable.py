"""Text that a terminal only shows."""

from __future__ import annotations

import textwrap

_BLANKS = "\n\t\N{NO-BREAK SPACE}"


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
