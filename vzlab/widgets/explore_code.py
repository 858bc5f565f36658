"""What is seen in an explorer as a program: opened, looked at, its cost, its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vzlab.builder.program import Name, call
from vzlab.widgets.explore_detail import Chunks, value_slices
from vzlab.widgets.explore_pages import colours
from vzlab.widgets.explored import Explored


def explore_code(
    explored: Explored,
    path: str,
    *,
    colour: str | None = None,
    slices: Mapping[str, int] | None = None,
    drawn: Sequence[str] = (),
    chunks: Chunks | None = None,
    index: Sequence[int] | None = None,
) -> str:
    """Write a program that gives the same view, cost and value.

    Parameters
    ----------
    explored : Explored
    path : str
        Of the variable.
    colour : str, optional
        What colours say.
    slices : mapping of str to int, optional
        Chunks that are looked at along dimensions that are not drawn.
    drawn : sequence of str
        Dimensions that were chosen to be drawn.
    chunks : sequence of pairs of int, optional
        The selection.
    index : sequence of int, optional
        Of the value that was followed.
    """
    default = colours(explored.inspection[path])[0]
    seen = explored.named(
        colour=colour if colour != default else None,
        slices=dict(slices or {}),
        drawn=list(drawn) or None,
        selection=None if chunks is None else [list(part) for part in chunks],
        version=explored.version if explored.version != "main" else None,
    )
    lines = [
        *explored.setup, call("widget = vz.explore", Name(text=explored.shown), variable=path, **seen)
    ]  # fmt: skip
    if chunks is not None and (resolved := explored.array(path)) is not None:
        parts = [f"slice({part.start}, {part.stop})" for part in value_slices(resolved, chunks)]
        selection = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        lines.append(cost_line(explored, path, selection))
    if index is not None:
        lines.append(trace_line(explored, path, str(tuple(index))))
    ours = "\n".join(lines)
    return f"{'import os\n\n' if 'os.environ[' in ours else ''}import vzlab as vz\n\n{ours}\n"


def cost_line(explored: Explored, path: str, selection: str) -> str:
    """The call that gives the cost of a selection, which is code."""
    return call("cost = vz.cost", Name(text="x"), path, Name(text=selection), **explored.named())


def trace_line(explored: Explored, path: str, index: str) -> str:
    """The call that follows a value, whose index is code."""
    return call("trace = vz.trace", Name(text="x"), path, Name(text=index), **explored.named())
