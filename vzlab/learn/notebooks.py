"""A committed notebook is solved and executed; the learner's version is made of it here.

What an exercise's cell holds between the lines ``### SOLUTION`` and ``### END`` is replaced by a place to fill in. Names that
the rest of the cell uses are kept, as ``name = ...``, so that the cell runs before there is an answer; of a function
its first line and docstring stay.
"""

from __future__ import annotations

import ast
import copy
import re
import textwrap
from collections.abc import Iterator
from typing import Any

YOUR_TURN = "...  # your turn"
_SOLUTION = re.compile(r"^([ \t]*)### SOLUTION[ \t]*\n(.*?)^[ \t]*### END[ \t]*\n?", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^[ \t]*### (?:SOLUTION|END)[ \t]*$", re.MULTILINE)


def learners_version(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook without solutions and outputs.

    Parameters
    ----------
    notebook : dict
        JSON of a notebook in format 4.

    Raises
    ------
    ValueError
        If a cell has a mark without its counterpart, or a solution that is not Python.
    """
    made = copy.deepcopy(notebook)
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            source = without_solutions("".join(cell["source"]))
            cell.update(source=source.splitlines(keepends=True), outputs=[], execution_count=None)
    return made


def has_solutions(notebook: dict[str, Any]) -> bool:
    """Whether any cell holds a solution."""
    return any(_SOLUTION.search("".join(cell["source"]) + "\n") for cell in notebook["cells"])


def without_solutions(source: str) -> str:
    """The source of a cell with a place to fill in where its solutions were.

    Examples
    --------
    >>> lines = ["### SOLUTION", "offset = 4", "### END", "check('x', offset)"]
    >>> print(without_solutions(chr(10).join(lines)))
    offset = ...  # your turn
    check('x', offset)
    """
    ended = source if source.endswith("\n") else source + "\n"

    def replaced(match: re.Match[str]) -> str:
        indent, solution = match.groups()
        left = "\n".join(_places(textwrap.dedent(solution), ended[match.end() :], is_inner=bool(indent)))
        return textwrap.indent(left, indent) + "\n"

    made = _SOLUTION.sub(replaced, ended)
    if _MARK.search(made):
        raise ValueError(
            f"A cell has '### SOLUTION' without '### END', or the other way round. Put both on lines of their own:\n{source}"
        )
    return made if source.endswith("\n") else made.removesuffix("\n")


def _places(solution: str, rest: str, *, is_inner: bool) -> Iterator[str]:
    """Lines that stand in for a solution."""
    used = (
        {node.id for node in ast.walk(ast.parse(rest)) if isinstance(node, ast.Name)}
        if not is_inner
        else set()
    )
    named = False
    for statement in ast.parse(solution).body:
        if isinstance(statement, ast.FunctionDef) and statement.name in used:
            body = [ast.Expr(ast.Constant(text))] if (text := ast.get_docstring(statement)) else []
            statement.body = [*body, ast.Expr(ast.Constant(...))]
            yield ast.unparse(statement) + "  # your turn\n\n"
            named = True
        for name in _assigned(statement):
            if name in used:
                used.remove(name)
                yield f"{name} = {YOUR_TURN}"
                named = True
    if not named:
        yield YOUR_TURN


def _assigned(statement: ast.stmt) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    for target in targets:
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        yield from (part.id for part in parts if isinstance(part, ast.Name))
