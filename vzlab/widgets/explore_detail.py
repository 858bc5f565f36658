"""What an explorer tells of selected chunks: their place, their requests and their cost, and chunks at a place of a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.inspection import Cost, VariableInspection, cost
from vzlab.inspection.resolve import ResolvedArray
from vzlab.inspection.words import format_bytes, format_count, format_percent, format_shape, shorten
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.render import html
from vzlab.render.cost import to_html as cost_html
from vzlab.render.spec import planned_spec
from vzlab.storage import url_name
from vzlab.widgets.explore_pages import dim_names
from vzlab.widgets.explored import Explored

type Chunks = Sequence[Sequence[int]]
"""First chunk along each dimension, and one behind the last."""

_ROWS = 20
"""Chunks of a selection that are listed."""
_BARS = 300
"""Requests of a selection that are drawn."""
_BINS = 2_048
"""Places of a strip that are told apart where many chunks are marked."""


def value_slices(resolved: ResolvedArray, chunks: Chunks) -> tuple[slice, ...]:
    """The part of the array that some chunks hold."""
    grid = resolved.array.chunk_grid
    starts = [grid.starts(axis) for axis in range(len(grid.shape))]
    return tuple(
        slice(int(at[start]), int(at[stop])) for at, (start, stop) in zip(starts, chunks, strict=True)
    )


def cost_of(explored: Explored, path: str, chunks: Chunks) -> Cost | None:
    """What reading some chunks takes; None where they are no references."""
    resolved = explored.array(path)
    if resolved is None:
        return None
    selection = value_slices(resolved, chunks)
    return cost(explored.tree, path, selection, group=explored.group_of_tree, registry=explored.registry)


def detail(explored: Explored, path: str, chunks: Chunks) -> dict[str, Any]:
    """Tell of a selection of chunks.

    Parameters
    ----------
    explored : Explored
    path : str
    chunks : sequence of pairs of int
        First chunk along each dimension, and one behind the last.

    Returns
    -------
    dict
        ``variable``, ``title``, ``html``, ``takes`` (its cost in words), ``cost`` (HTML), ``requests`` (a waterfall as it would
        be), ``dims``, ``region`` (first value and one behind the last along each dimension; null where nothing can be traced)
        and ``ranges`` (``[row, from, to]`` of the byte map's strips).
    """
    variable = explored.inspection[path]
    resolved, found = explored.array(path), cost_of(explored, path, chunks)
    names = dim_names(variable)
    title = _title(variable, chunks, names)
    told: dict[str, Any] = {
        "variable": path,
        "title": title,
        "dims": names,
        "region": None,
        "ranges": [],
        "cost": "",
        "takes": "",
    }
    if resolved is None or found is None:
        note = "Its chunks are not references into files: there is nothing more to tell."
        return {**told, "html": str(html.card(html.dim(note), upgrade=False))}
    region = value_slices(resolved, chunks)
    return {
        **told,
        "requests": _requests(found, resolved, chunks),
        "html": str(html.card(*_place(variable, resolved, chunks, names), upgrade=False)),
        "takes": f"{format_count(found.n_requests, 'request')}, {format_bytes(found.stored_bytes)} from "
        f"{format_count(found.n_files, 'file')}, {found.time_s:.2g} s",
        "cost": explored.scrub(str(cost_html(found, upgrade=False))),
        "region": [[part.start, part.stop] for part in region],
        "ranges": _ranges(explored, variable, resolved, chunks),
    }


def _title(variable: VariableInspection, chunks: Chunks, names: Sequence[str]) -> str:
    n = math.prod(stop - start for start, stop in chunks)
    if n == 1:
        at = ", ".join(str(start) for start, _ in chunks)
        return f"{variable.name}, chunk ({at})" if chunks else f"{variable.name}, its only chunk"
    where = [
        f"{name} {start}" if stop - start == 1 else f"{name} {start}–{stop - 1}"
        for name, (start, stop) in zip(names, chunks, strict=True)
    ]
    return f"{variable.name}, {format_count(n, 'chunk')}: {', '.join(where)}"


def _place(
    variable: VariableInspection, resolved: ResolvedArray, chunks: Chunks, names: Sequence[str]
) -> Iterator[html.Content]:
    """The values that they hold, and where the first of them lie."""
    region = value_slices(resolved, chunks)
    holds = ", ".join(
        f"{name} {part.start:,}"
        if part.stop - part.start == 1
        else f"{name} {part.start:,}–{part.stop - 1:,}"
        for name, part in zip(names, region, strict=True)
    )
    shape = [part.stop - part.start for part in region]
    if holds:
        yield html.element("div", html.dim("holds values "), f"{holds} ({format_shape(shape)})")
    key = _key(chunks)
    manifest = resolved.array.manifest
    index, offsets, lengths = (
        column[key] for column in (manifest.source_index, manifest.offsets, manifest.lengths)
    )
    raw = math.prod(resolved.array.chunk_grid.chunk_shape) * resolved.array.dtype.itemsize
    rows: list[Sequence[html.Content]] = []
    for at in range(min(index.size, _ROWS)):
        place = np.unravel_index(at, index.shape)
        chunk = tuple(int(inside) + start for inside, (start, _) in zip(place, chunks, strict=True))
        source, length = int(index[place]), int(lengths[place])
        label = f"({', '.join(map(str, chunk))})"
        if source == MISSING:
            rows.append((label, html.pill("never written", "bad"), "", "reads as fill", ""))
            continue
        share = html.dim(f"{format_percent(length / raw)} of raw") if raw and variable.is_compressed else ""
        where = (
            (html.pill("inline", "info"), "")
            if source == INLINE
            else (html.name(shorten(url_name(manifest.sources[source].url), 80)), f"{int(offsets[place]):,}")
        )
        rows.append((label, *where, format_bytes(length), share))
    more = index.size - len(rows)
    yield html.table(rows, header=("chunk", "file", "offset", "request", ""))
    if more > 0:
        yield html.dim(f"and {format_count(more, 'more chunk')}")


def _requests(found: Cost, resolved: ResolvedArray, chunks: Chunks) -> dict[str, Any] | None:
    """Requests of a selection as they would follow each other, by the reckoning of their cost; None of one or none."""
    manifest, key = resolved.array.manifest, _key(chunks)
    wanted = (manifest.source_index[key] < INLINE) & (manifest.lengths[key] > 0)
    if np.count_nonzero(wanted) < 2:
        return None
    index, offsets, lengths = (
        column[key][wanted].astype(np.int64)[:_BARS]
        for column in (manifest.source_index, manifest.offsets, manifest.lengths)
    )
    prices = found.prices
    turn = np.arange(index.size) // prices.concurrency
    arrived = np.cumsum(lengths) / prices.bandwidth_bytes_s
    # A round begins when the one before it has come; its bytes come one after another at the common bandwidth.
    before = np.concatenate([[0.0], arrived])[turn * prices.concurrency]
    started = turn * prices.latency_s + before
    ended = (turn + 1) * prices.latency_s + arrived
    used, file = np.unique(index, return_inverse=True)
    return planned_spec(
        [manifest.sources[number].url for number in used.tolist()], file, offsets, lengths, started, ended,
        n_requests=found.n_requests, elapsed_s=found.time_s,
        alt=f"{format_count(found.n_requests, 'request')}, {prices.concurrency} at once, in {found.time_s:.2g} s",
    )  # fmt: skip


def _key(chunks: Chunks) -> tuple[Any, ...]:
    # With the ellipsis, the one chunk of a scalar is an array too.
    return (*(slice(start, stop) for start, stop in chunks), ...)


# -- where they lie in the strips of the byte map -------------------------------------------------------------------


def strips_of(
    explored: Explored, variable: VariableInspection, resolved: ResolvedArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Give for each source of a manifest its row of the byte map, -1 for none, and its size in bytes."""
    strips = variable.byte_map
    n = len(variable.sources)
    rows, sizes = np.full(n, -1), np.ones(n)
    if strips is None:
        return rows, sizes
    firsts = np.array(strips.first_source)
    for number, position in enumerate(variable.sources):
        rows[number] = int(np.searchsorted(firsts, position, side="right")) - 1
        sizes[number] = explored.inspection.sources[position].size_bytes or 0
    if not sizes.all():
        # A file of unknown length is drawn as long as its chunks reach.
        index, ends = _virtual_ends(resolved)
        reach = np.zeros(n)
        np.maximum.at(reach, index, ends)
        if len(strips.first_source) == 1 and strips.n_sources[0] == 1:
            reach[:] = strips.file_bytes
        sizes = np.where(sizes > 0, sizes, np.maximum(reach, 1))
    return rows, sizes


def _virtual_ends(resolved: ResolvedArray) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64]]:
    manifest = resolved.array.manifest
    virtual = manifest.source_index < INLINE
    ends = manifest.offsets[virtual] + manifest.lengths[virtual]
    return manifest.source_index[virtual], ends.astype(np.float64)


def _ranges(
    explored: Explored, variable: VariableInspection, resolved: ResolvedArray, chunks: Chunks
) -> list[list[float]]:
    """Stretches of the byte map's strips that chunks take: each of a few, and of many those that touch as one."""
    rows_of, sizes_of = strips_of(explored, variable, resolved)
    manifest, key = resolved.array.manifest, _key(chunks)
    virtual = manifest.source_index[key] < INLINE
    index = manifest.source_index[key][virtual]
    if index.size == 0 or rows_of.max(initial=-1) < 0:
        return []
    rows, sizes = rows_of[index], sizes_of[index]
    starts = manifest.offsets[key][virtual] / sizes
    stops = starts + manifest.lengths[key][virtual] / sizes
    if index.size <= _ROWS:
        return [
            [int(row), round(start, 6), round(stop, 6)]
            for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True)
        ]
    return _merged(rows, starts, stops)


def _merged(
    rows: npt.NDArray[np.int64], starts: npt.NDArray[np.float64], stops: npt.NDArray[np.float64]
) -> list[list[float]]:
    """Ranges of bins in which something begins, goes on or ends."""
    steps = np.zeros((int(rows.max()) + 1, _BINS + 1), np.int64)
    first = np.clip((starts * _BINS).astype(np.int64), 0, _BINS - 1)
    last = np.clip(np.ceil(stops * _BINS).astype(np.int64), first + 1, _BINS)
    np.add.at(steps, (rows, first), 1)
    np.add.at(steps, (rows, last), -1)
    filled = np.zeros((len(steps), _BINS + 2), np.int8)
    filled[:, 1:-1] = np.cumsum(steps, axis=1)[:, :-1] > 0
    changes = np.diff(filled, axis=1)
    begins, ends = np.argwhere(changes == 1), np.argwhere(changes == -1)
    return [
        [int(row), int(start) / _BINS, int(stop) / _BINS]
        for (row, start), (_, stop) in zip(begins, ends, strict=True)
    ]


def chunk_at(explored: Explored, path: str, row: int, at: float) -> list[list[int]] | None:
    """Find the chunk at a place of a strip, or the one nearest to it.

    Parameters
    ----------
    explored : Explored
    path : str
    row : int
        Of the byte map.
    at : float
        Fraction of the strip's length.
    """
    resolved, variable = explored.array(path), explored.inspection[path]
    if resolved is None:
        return None
    rows_of, sizes_of = strips_of(explored, variable, resolved)
    manifest = resolved.array.manifest
    index = manifest.source_index.reshape(-1)
    here = np.flatnonzero(index < INLINE)
    here = here[rows_of[index[here]] == row]
    if here.size == 0:
        return None
    starts = manifest.offsets.reshape(-1)[here] / sizes_of[index[here]]
    stops = starts + manifest.lengths.reshape(-1)[here] / sizes_of[index[here]]
    distance = np.maximum(np.maximum(starts - at, at - stops), 0)
    return _one(int(here[int(np.argmin(distance))]), manifest.grid_shape)


def chunk_after(explored: Explored, path: str, chunks: Chunks | None, by: int) -> list[list[int]] | None:
    """Find the chunk that lies some places after another in the order of files; the first where none is given."""
    resolved = explored.array(path)
    if resolved is None:
        return None
    manifest = resolved.array.manifest
    index = manifest.source_index.reshape(-1)
    placed = np.flatnonzero(index < INLINE)
    if placed.size == 0:
        return None
    order = placed[np.lexsort((manifest.offsets.reshape(-1)[placed], index[placed]))]
    to = 0
    if chunks is not None:
        current = np.ravel_multi_index([start for start, _ in chunks], manifest.grid_shape) if chunks else 0
        found = np.flatnonzero(order == current)
        to = int(found[0]) + by if found.size else 0
    return _one(int(order[min(max(to, 0), len(order) - 1)]), manifest.grid_shape)


def _one(at: int, grid_shape: Sequence[int]) -> list[list[int]]:
    return [[int(place), int(place) + 1] for place in np.unravel_index(at, grid_shape)] if grid_shape else []
