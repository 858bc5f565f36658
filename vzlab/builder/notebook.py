"""A builder's program as a notebook: a cell for each step, in format 4.5 of Jupyter's."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from vzlab.builder.choices import TITLES
from vzlab.builder.program import TITLE, blocks_of, program

if TYPE_CHECKING:
    from vzlab.builder.builder import Builder


def notebook(builder: Builder) -> dict[str, Any]:
    """The notebook as the JSON that it is stored as."""
    blocks = blocks_of(builder)
    head = program(builder).partition("\n\n# ")[0].partition('"""\n\n')[2]
    cells = [_cell("markdown", "title", f"# {TITLE}"), _cell("code", "imports", head.strip())]
    for block in blocks:
        cells.append(_cell("markdown", f"{block.step}-title", f"## {TITLES[block.step]}"))
        cells.append(_cell("code", block.step, _for_a_cell(block.code)))
    return {
        "cells": cells,
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _for_a_cell(code: str) -> str:
    """Code whose last result shows itself, and that does not end its process."""
    statements = ast.parse(code).body
    if isinstance(statements[-1], ast.Raise):
        code = code[: code.rindex("raise ")].rstrip()
        statements.pop()
    match statements[-1]:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[shown])):
            lines = code.splitlines(keepends=True)[: statements[-1].lineno - 1]
            return "".join(lines) + (ast.get_source_segment(code, shown) or "")
    return code


def _cell(kind: str, name: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": name,
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}
