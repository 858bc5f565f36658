"""An explorer as a page that stands alone: maps of all variables as far as there is room, and each chunk of small ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vzlab.inspection import Trace, VariableInspection
from vzlab.manifests import ChunkGrid
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.render.html import Markup, element
from vzlab.render.page import standalone
from vzlab.render.trace import to_html as trace_html
from vzlab.storage import url_name
from vzlab.widgets.core import ESM
from vzlab.widgets.explore_code import cost_line, explore_code, trace_line
from vzlab.widgets.explore_detail import strips_of
from vzlab.widgets.explore_pages import first_variable, outline, variable_page
from vzlab.widgets.explored import Explored

BUDGET_BYTES = 4_000_000
"""Of all variables' pages together; those beyond it are left out, the smallest ones."""
EACH_CHUNK = 20_000
"""Variables of no more chunks are told chunk by chunk, and can be seen along any two dimensions at any place."""


def to_page(
    explored: Explored,
    variable: str | None = None,
    *,
    seen: Mapping[str, Any] | None = None,
    traced: Trace | None = None,
) -> str:
    """Build a page.

    Parameters
    ----------
    explored : Explored
    variable : str, optional
        The one to begin with.
    seen : mapping, optional
        ``colour``, ``slices``, ``drawn`` and ``selection`` of an explorer, to begin with.
    traced : Trace, optional
        A value of the variable that was followed: the page shows it where its chunk is selected.
    """
    first = variable or first_variable(explored.inspection)
    pages: dict[str, Any] = {}
    left = BUDGET_BYTES
    order = sorted(
        explored.inspection.variables.values(),
        key=lambda each: (each.path != first, each.role != "data", -(each.stored_bytes or 0)),
    )
    for each in order:
        page = _page(explored, each)
        left -= len(json.dumps(page))
        if left < 0 and pages:
            break
        pages[each.path] = page
    told = outline(explored, None)
    if traced is not None and (resolved := explored.array(first)) is not None:
        chunk = _chunk_of(resolved.array.chunk_grid, traced.index)
        seen = dict(seen or {})
        if not seen.get("selection"):
            seen["selection"] = {"variable": first, "chunks": [[at, at + 1] for at in chunk]}
        pages[first]["traced"] = {
            "chunk": chunk,
            "html": explored.scrub(str(trace_html(traced, upgrade=False))),
        }
    data = {
        "outline": {**told, "tree": _marked(told["tree"], pages)},
        "variable": first,
        "pages": pages,
        "seen": dict(seen or {}) if pages[first]["columns"] else {},
    }
    # Inside of an element for data only "<" could end it (HTML, section 4.12.1.3).
    held = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    script = (
        f"{ESM.replace('</', '<\\/')}\n"
        "explore(document.getElementById('explorer'), pageHost(JSON.parse(document.getElementById('held').textContent)));"
    )
    view = element(
        "div",
        element("div", id="explorer"),
        element("script", Markup(held), type="application/json", id="held"),
        element("script", Markup(script), type="module"),
    )
    return standalone(view, title=explored.inspection.title)


def _marked(nodes: list[dict[str, Any]], pages: dict[str, Any]) -> list[dict[str, Any]]:
    """The tree, in which variables that there was no room for say so."""
    marked = []
    for node in nodes:
        if "groups" in node:
            marked.append({**node, "variables": _marked(node["variables"], pages)})
        elif "reason" in node or node["path"] in pages:
            marked.append(node)
        else:
            marked.append({**node, "reason": "Left out of this page for its size: explore it in Python."})
    return marked


def _page(explored: Explored, variable: VariableInspection) -> dict[str, Any]:
    path = variable.path
    spec, columns = variable_page(explored, path, {}), _columns(explored, variable)
    if columns is None:  # without its chunks the page cannot draw another map
        spec = {**spec, "sliders": [], "drawable": []}
    return {
        "spec": spec,
        "columns": columns,
        "code": explore_code(explored, path, colour=spec["colours"][0]),
        "cost": cost_line(explored, path, "SELECTION"),
        "trace": trace_line(explored, path, "INDEX"),
    }


def _chunk_of(grid: ChunkGrid, index: Sequence[int]) -> list[int]:
    """The chunk that holds a value."""
    return [int(np.searchsorted(grid.starts(axis), at, side="right")) - 1 for axis, at in enumerate(index)]


def _columns(explored: Explored, variable: VariableInspection) -> dict[str, Any] | None:
    """Where each chunk lies: source (-2 for none, -3 for inline), offset and length; and what is needed to draw them."""
    resolved = explored.array(variable.path)
    if resolved is None or resolved.array.manifest.n_chunks > EACH_CHUNK:
        return None
    manifest, grid = resolved.array.manifest, resolved.array.chunk_grid
    rows, sizes = strips_of(explored, variable, resolved)
    sides = [length for length in grid.chunks if isinstance(length, int)]
    source = manifest.source_index.astype(np.int64)
    source = np.where(source == MISSING, -2, np.where(source == INLINE, -3, source))
    return {
        "grid": list(manifest.grid_shape),
        "itemsize": resolved.array.dtype.itemsize,
        "chunk_bytes": math.prod(sides) * resolved.array.dtype.itemsize
        if len(sides) == len(grid.chunks)
        else None,
        "positions": list(variable.sources),
        "starts": [grid.starts(axis).tolist() for axis in range(len(grid.shape))],
        "source": source.reshape(-1).tolist(),
        "offset": manifest.offsets.reshape(-1).tolist(),
        "length": manifest.lengths.reshape(-1).tolist(),
        "names": [url_name(each.url) for each in manifest.sources],
        "strips": [[int(row), float(size)] for row, size in zip(rows, sizes, strict=True)],
    }
