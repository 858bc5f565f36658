"""What an explorer shows, as JSON: the outline of all there is, and a page for each variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from vzlab.inspection import GroupInspection, Inspection, VariableInspection
from vzlab.inspection.chunk_map import ChunkMap, drawn_axes
from vzlab.inspection.history import History
from vzlab.inspection.level import Range, chunk_level, size_range
from vzlab.inspection.words import format_count, format_shape, shorten
from vzlab.render import html, lines
from vzlab.render.history import commit_line, history_card
from vzlab.render.html_view import findings_callouts
from vzlab.render.maps import colourings
from vzlab.render.spec import LEVEL_CELLS, SCHEMA, byte_map_spec, chunk_levels_spec, level_spec, pipeline_spec
from vzlab.render.variable_html import ATTRIBUTES_BYTES, variable_body
from vzlab.widgets.explored import Explored

COLOURS = ("ratio", "size", "offset", "file", "state", "outliers")
"""Ways to colour a chunk map."""

MAX_LISTED = 5_000
"""Variables that the tree lists."""

_MAX_COMMITS = 50


def outline(explored: Explored, history: History | None) -> dict[str, Any]:
    """Give the title, the tree, the findings and the versions.

    Parameters
    ----------
    explored : Explored
    history : History or None
        Of all versions that can be chosen: of an older one, an inspection knows only those before it.
    """
    inspection = explored.inspection
    room = iter(range(MAX_LISTED))
    tree = _nodes(inspection.root, room)
    findings = findings_callouts(inspection.findings)
    return {
        "schema": SCHEMA,
        "title": shorten(inspection.title, 200),
        "headline": lines.headline(inspection),
        "tree": tree,
        "n_hidden": max(len(inspection.variables) - MAX_LISTED, 0),
        "n_findings": len(inspection.findings),
        "is_serious": any(finding.severity == "problem" for finding in inspection.findings),
        "findings": str(html.card(findings, upgrade=False)) if findings else "",
        "history": ""
        if inspection.history is None
        else str(html.card(history_card(inspection.history), upgrade=False)),
        "commit": ""
        if inspection.history is None
        else str(html.card(commit_line(inspection.history), upgrade=False)),
        "versions": [] if history is None else list(_versions(history)),
        "version": explored.version,
    }


def _nodes(group: GroupInspection, room: Iterator[int]) -> list[dict[str, Any]]:
    """Variables in the order in which views show them, then what cannot be read, then groups."""
    nodes: list[dict[str, Any]] = [
        {
            "name": variable.name,
            "path": variable.path,
            "about": shorten(" · ".join(filter(None, (lines.dims(variable), variable.dtype, lines.chain(variable)))), 120),
            "words": shorten(" ".join((variable.role, *map(str, variable.attributes.values()))), 200),
        }
        for variable, _ in zip(lines.variable_order(group), room, strict=False)
    ]  # fmt: skip
    nodes += [
        {"name": lost.name, "path": lost.path, "about": "cannot be referred to", "reason": shorten(lost.reason, 300)}
        for lost, _ in zip(group.unreadable, room, strict=False)
    ]  # fmt: skip
    for child in group.groups:
        inside = _nodes(child, room)
        about = format_count(sum(len(part.variables) for part in child.walk()), "variable")
        nodes.append(
            {"name": child.name, "path": child.path, "about": about, "groups": [], "variables": inside}
        )
    return nodes


def _versions(history: History) -> Iterator[dict[str, Any]]:
    commits = [
        {
            "value": commit.id,
            "text": f"{commit.written_at[:10]} {shorten(commit.message, 50)} ({commit.id[:6]})",
        }
        for commit in islice(history.commits, _MAX_COMMITS)
    ]
    for title, options in (
        ("branches", [{"value": name, "text": name} for name in history.branches]),
        ("tags", [{"value": name, "text": name} for name in history.tags]),
        ("snapshots", commits),
    ):
        if options:
            yield {"group": title, "options": options}


def variable_page(
    explored: Explored, path: str, slices: Mapping[str, int], drawn: Sequence[str] = ()
) -> dict[str, Any]:
    """Give the page of a variable.

    Parameters
    ----------
    explored : Explored
    path : str
    slices : mapping of str to int
        By dimension: the chunk to look at along it.
    drawn : sequence of str
        Dimensions down and across; the most telling ones if there are none.
    """
    inspection = explored.inspection
    variable = inspection[path]
    names = [source.name for source in inspection.sources]
    body = variable_body(variable, names, 0, ATTRIBUTES_BYTES)
    return {
        "schema": SCHEMA,
        "kind": "explorer",
        "alt": f"{path}: {lines.dims(variable)}",
        "variable": path,
        "name": variable.name,
        "about": " · ".join(
            filter(None, (lines.dims(variable), lines.dtype(variable), lines.both_sizes(variable)))
        ),
        "marks": [{"text": mark.text, "title": mark.title} for mark in lines.marks(variable)],
        "dims": dim_names(variable),
        "grid": None if variable.chunking.kind == "unknown" else list(variable.chunking.grid_shape),
        "grid_words": _grid_words(variable),
        "why_no_map": _why_no_map(variable),
        "colours": list(colours(variable)),
        "drawable": drawable(explored, path),
        "sliders": sliders(explored, path, drawn),
        "facts": str(html.card(body, upgrade=False)),
        "views": {
            "chunks": chunks_view(explored, path, slices, drawn),
            "bytes": byte_map_spec(inspection, path),
            "pipeline": pipeline_spec(inspection, path),
        },
    }


def dim_names(variable: VariableInspection) -> list[str]:
    """Names of its dimensions, by number where they have none or one that another has too."""
    names = list(variable.dims)
    return [name if name and names.count(name) == 1 else f"axis {axis}" for axis, name in enumerate(names)]


def colours(variable: VariableInspection) -> tuple[str, ...]:
    """Ways to colour its chunks, the most telling first."""
    if variable.chunk_map is None:
        return COLOURS
    best = ["file" if kind == "source" else kind for kind in colourings(variable.chunk_map)]
    return tuple(dict.fromkeys([*best, *COLOURS]))


def drawable(explored: Explored, path: str) -> list[str]:
    """Dimensions of which two can be chosen to be drawn: those of several chunks, where there are more than two."""
    variable = explored.inspection[path]
    if variable.chunk_map is None or explored.array(path) is None:
        return []
    names = dim_names(variable)
    long = [names[axis] for axis, n in enumerate(variable.chunking.grid_shape) if n > 1]
    return long if len(long) > 2 else []


def axes_of(variable: VariableInspection, drawn: Sequence[str]) -> tuple[int | None, int]:
    """Axes down and across: those that were chosen, or the most telling ones."""
    if not drawn:
        return drawn_axes(variable.chunking.grid_shape)
    names = dim_names(variable)
    down, across = drawn
    return names.index(down), names.index(across)


def sliders(explored: Explored, path: str, drawn: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Dimensions that are not drawn and have several chunks; none where the chunks cannot be gone through."""
    variable = explored.inspection[path]
    if variable.chunk_map is None or explored.array(path) is None:
        return []
    names, axes = dim_names(variable), axes_of(variable, drawn)
    grid = variable.chunking.grid_shape
    return [{"dim": names[axis], "n": n} for axis, n in enumerate(grid) if n > 1 and axis not in axes]


def chunks_view(
    explored: Explored, path: str, slices: Mapping[str, int], drawn: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Give a chunk map of the whole grid at some place, in few cells; None of one chunk."""
    variable = explored.inspection[path]
    if variable.chunk_map is None:
        return None
    array = explored.array(path)
    found: ChunkMap | None = variable.chunk_map
    if slices or drawn:
        found = _level(explored, path, slices, drawn, None)
    assert found is not None
    return chunk_levels_spec(
        explored.inspection,
        path,
        found.rebin(LEVEL_CELLS),
        axes=axes_of(variable, drawn),
        size_range=None if array is None else size_range(array.array.manifest),
    )


def finer_level(
    explored: Explored,
    path: str,
    slices: Mapping[str, int],
    region: tuple[Range, Range],
    drawn: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Give a part of the chunk map in more detail; None where there is none."""
    found = _level(explored, path, slices, drawn, region)
    return None if found is None else level_spec(found, region=region)


def _level(
    explored: Explored,
    path: str,
    slices: Mapping[str, int],
    drawn: Sequence[str],
    region: tuple[Range, Range] | None,
) -> ChunkMap | None:
    resolved = explored.array(path)
    if resolved is None:
        return None
    variable = explored.inspection[path]
    names = dim_names(variable)
    return chunk_level(
        resolved.array,
        variable.dims,
        source_positions=np.array(variable.sources, dtype=np.int32),
        region=region,
        places={names.index(dim): place for dim, place in slices.items()},
        axes=axes_of(variable, drawn),
        max_cells=LEVEL_CELLS,
    )


def _grid_words(variable: VariableInspection) -> str:
    chunking = variable.chunking
    if chunking.kind == "unknown":
        return ""
    shape = format_shape(chunking.chunk_shape)
    return f"{format_count(chunking.n_chunks, 'chunk')} of {shape}" if variable.shape else "one value"


def _why_no_map(variable: VariableInspection) -> str:
    if variable.chunk_map is not None:
        return ""
    if variable.chunking.kind == "unknown" or variable.counts is None:
        return f"Its values are {variable.held}: there are no chunks in files to see."
    if not variable.chunking.n_chunks:
        return "It has no chunk: one of its dimensions has no length."
    return "It is one chunk: there is no grid to see."


def first_variable(inspection: Inspection) -> str:
    """The variable to begin with: the largest data variable that has several chunks, else the largest.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = list(inspection.variables.values())
    if not found:
        lost = ", ".join(variable.path for variable in inspection.unreadable) or "none"
        raise ValueError(
            f"{inspection.title} has no variable to explore; variables that cannot be referred to: {lost}. vz.inspect says more"
        )
    return max(
        found, key=lambda v: (v.role == "data", v.chunk_map is not None, v.stored_bytes or v.raw_bytes or 0)
    ).path
