"""Views as plain JSON for whatever draws them live: chunk map, byte map, pipeline, matrix, waterfall.

Every spec is an object with ``schema`` ("vzlab-view/1"), ``kind``, ``alt`` (what a seeing person would conclude) and the
fields that its function lists. Cells stand row by row in flat lists; null is a cell without a value. Colours are
``[red, green, blue]``, and those of an ordered scale go from little to much. Numbers are raw, so that a view can say what
a cell stands for when it is pointed at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from vzlab.datasets.findings import FACETS, CompatibilityReport
from vzlab.inspection import Inspection, Recording
from vzlab.inspection.chunk_map import ChunkMap
from vzlab.inspection.level import Range
from vzlab.render.compatibility import TONES
from vzlab.render.decoding import decoding_boxes
from vzlab.render.html import ACCENTS
from vzlab.render.maps import (
    INLINE,
    KINDS,
    METADATA,
    MISSING,
    OTHERS,
    OWN,
    RAMP,
    SEVERAL,
    colourings,
    draw_byte_map,
    draw_chunk_map,
)
from vzlab.render.waterfall import sentence

SCHEMA = "vzlab-view/1"
"""Name and version. The number rises when a field changes its meaning or goes away."""

LEVEL_CELLS = 96
"""Cells along each side of a level: it takes at most some 200 KB as JSON."""

MAX_NAMES = 256
"""Files that a level names, the first ones; of the others it has numbers."""

MAX_BARS = 2_000
"""Requests of a waterfall that are given one by one, the first ones; the others are counted."""


def chunk_map_spec(inspection: Inspection, variable: str, *, max_cells: int = 64) -> dict[str, Any] | None:
    """Give a variable's chunk grid; None where it has no more than one chunk.

    Parameters
    ----------
    inspection : Inspection
    variable : str
        Its path.
    max_cells : int
        Most cells along each side.

    Returns
    -------
    dict or None
        ``dims`` (down, across), ``grid_shape``, ``shape`` (cells down, across), ``folded`` (``[name, chunks]`` of dimensions
        that a cell stands for all of), ``cells`` (``n_chunks``, ``n_missing``, ``n_inline``, ``stored_bytes``, ``min_bytes``,
        ``max_bytes``, ``ratio``, ``source``: position in ``sources``, -1 for several, -2 for none), ``colour_by`` (ways
        of colouring that say something, the first one best), ``colours``, ``sources`` (names), and ``slices``, each with
        ``dim``, ``position``, ``n_positions``, ``shape`` and ``cells``.
    """
    whole = inspection[variable].chunk_map
    if whole is None:
        return None
    names = [source.name for source in inspection.sources]
    drawn, kinds = whole.rebin(max_cells), colourings(whole)
    return {
        **_head("chunk map", draw_chunk_map(whole, colour_by=kinds[0], source_names=names).alt),
        "variable": variable,
        "dims": list(drawn.dims),
        "grid_shape": list(drawn.grid_shape),
        "folded": [list(pair) for pair in drawn.folded],
        **_cells(drawn),
        "colour_by": list(kinds),
        "colours": _map_colours(),
        "sources": names,
        "slices": [
            {"dim": cut.dim, "position": cut.position, "n_positions": cut.n_positions, **_cells(cut.map)}
            for cut in whole.slices
        ],
    }


def level_spec(level: ChunkMap, *, region: tuple[Range, Range] | None = None) -> dict[str, Any]:
    """Give a level of a chunk grid in few bytes, for a view that asks for more where it is looked at.

    Parameters
    ----------
    level : ChunkMap
    region : tuple of ranges, optional
        Chunks down and across that it covers; all if not given.

    Returns
    -------
    dict
        ``region`` (``[[first, last + 1], [first, last + 1]]``), ``shape`` (cells down and across, each beginning at chunk
        ``first + cell * n // cells``), ``depth`` (chunks behind each place) and ``cells``, whose columns are one number where
        all cells have the same: ``n_missing``, ``n_inline``, ``stored_bytes``, ``min_bytes``, ``max_bytes``, ``source``,
        ``offset`` (-1 where unknown) and ``ratio``, which is left out where it is that of stored bytes to a fixed number.
    """
    rows, columns = level.grid_shape
    there = level.n_chunks - level.n_missing
    per_chunk = level.raw_bytes / np.maximum(there, 1)
    fields = ["n_missing", "n_inline", "stored_bytes", "min_bytes", "max_bytes", "source", "offset"]
    if not _is_constant(per_chunk[there > 0]):
        fields.append("ratio")
    return {
        "region": [list(part) for part in region or ((0, rows), (0, columns))],
        "shape": list(level.shape),
        "depth": math.prod(n for _, n in level.folded),
        "cells": {name: _column(getattr(level, name)) for name in fields},
    }


def chunk_levels_spec(
    inspection: Inspection,
    variable: str,
    level: ChunkMap,
    *,
    axes: tuple[int | None, int],
    size_range: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Give a chunk grid for a view that refines it: a first level of all of it, and what all levels share.

    Parameters
    ----------
    inspection : Inspection
    variable : str
    level : ChunkMap
        Of the whole grid.
    axes : tuple of int
        Dimensions down and across.
    size_range : tuple of float, optional
        Stored sizes that the scale of colours goes from and to; those of the level if not given.

    Returns
    -------
    dict
        ``dims``, ``axes``, ``grid_shape``, ``folded``, ``colour_by``, ``colours`` and ``sources`` (the first of them) as of
        `chunk_map_spec`; ``raw_chunk_bytes``, ``median_bytes``, ``size_range``, ``ratio_range`` and ``offset_range`` (null
        where not known), ``held``, ``n_missing``; and what `level_spec` gives.
    """
    found = inspection[variable]
    names = [source.name for source in inspection.sources]
    kinds = colourings(level)
    there = level.n_chunks > level.n_missing
    raw = (level.raw_bytes[there] / (level.n_chunks - level.n_missing)[there]) if there.any() else np.zeros(1)
    offsets = level.offset[level.offset >= 0]
    raw_chunk_bytes = float(raw[0]) if _is_constant(raw) and raw[0] > 0 else None
    return {
        **_head("chunk map", draw_chunk_map(level, colour_by=kinds[0], source_names=names).alt),
        "variable": variable,
        "dims": list(level.dims),
        "axes": list(axes),
        "grid_shape": list(level.grid_shape),
        "folded": [list(pair) for pair in level.folded],
        "n_missing": int(level.n_missing.sum()),
        "held": found.held,
        "raw_chunk_bytes": raw_chunk_bytes,
        "median_bytes": None if found.statistics is None else found.statistics.median_bytes,
        "size_range": None if size_range is None else list(size_range),
        "ratio_range": [n / raw_chunk_bytes for n in size_range] if size_range and raw_chunk_bytes else None,
        "offset_range": [int(offsets.min()), int(offsets.max())] if offsets.size else None,
        "colour_by": list(kinds),
        "colours": _map_colours(),
        "sources": names[:MAX_NAMES],
        **level_spec(level),
    }


def byte_map_spec(inspection: Inspection, variable: str) -> dict[str, Any] | None:
    """Give where a variable lies in its files; None where it lies in none.

    Returns
    -------
    dict or None
        ``shape`` (rows, bins), ``rows`` (``source``: the name of the first file of each row, ``n_sources`` that share it),
        ``own``, ``others`` and ``metadata`` (the fraction of each bin that chunks of this variable, of others, and metadata
        cover), ``file_bytes``, ``own_bytes``, ``other_bytes``, ``metadata_bytes``, ``rest_bytes`` and ``colours``. Those of
        metadata are null where it is not known which bytes they are.
    """
    strips = inspection[variable].byte_map
    if strips is None:
        return None
    rows = zip(strips.first_source, strips.n_sources, strict=True)
    return {
        **_head("byte map", draw_byte_map(strips, name=variable).alt),
        "variable": variable,
        "shape": list(strips.own.shape),
        "rows": [{"source": inspection.sources[first].name, "n_sources": n} for first, n in rows],
        "own": _numbers(strips.own),
        "others": _numbers(strips.others),
        "metadata": None if strips.metadata is None else _numbers(strips.metadata),
        "file_bytes": strips.file_bytes,
        "own_bytes": strips.own_bytes,
        "other_bytes": strips.other_bytes,
        "metadata_bytes": strips.metadata_bytes,
        "rest_bytes": strips.rest_bytes,
        "colours": {"own": list(OWN), "others": list(OTHERS), "metadata": list(METADATA)},
    }


def pipeline_spec(inspection: Inspection, variable: str) -> dict[str, Any]:
    """Give the way of one chunk from bytes to values: ``boxes`` of ``title``, ``value``, ``note`` and ``tone``."""
    boxes = [
        {"title": box.title, "value": box.value, "note": box.note, "tone": box.tone}
        for box in decoding_boxes(inspection[variable])
    ]
    way = ", then ".join(str(box["title"]) for box in boxes)
    return {
        **_head("pipeline", f"{variable}: {way}"),
        "variable": variable,
        "boxes": boxes,
        "tones": _tones(),
    }


def matrix_spec(report: CompatibilityReport) -> dict[str, Any]:
    """Give which variables differ in what between files.

    Returns
    -------
    dict
        ``columns`` (what may differ), ``rows`` (names of variables, "" for the dataset, those that differ first), and
        ``cells``, row by row: null where all files agree, else ``severity``, ``tone``, ``sentence``, ``fix`` and ``holders``
        (``value``, ``n_files``).
    """
    told = dict.fromkeys(finding.variable for finding in report.findings)
    rows = [*told, *(variable for variable in report.variables if variable not in told)]
    found = [[report.cell(variable, facet) for facet in FACETS] for variable in rows]
    return {
        **_head("matrix", report.headline),
        "columns": list(FACETS),
        "rows": rows,
        "cells": [
            None
            if finding is None
            else {
                "severity": finding.severity,
                "tone": TONES[finding.severity],
                "sentence": finding.sentence,
                "fix": finding.fix,
                "holders": [{"value": held.value, "n_files": held.n_files} for held in finding.holders],
            }
            for row in found
            for finding in row
        ],
        "tones": _tones(),
    }


def waterfall_spec(recording: Recording) -> dict[str, Any]:
    """Give the requests of a recording in the order in which they began, at most the first `MAX_BARS`.

    Returns
    -------
    dict
        ``elapsed_s``, ``n_requests`` (in all), ``urls``, and lists with an item for each request: ``file`` (position in
        ``urls``), ``offset``, ``length``, ``started_s``, ``ended_s``, ``is_data``, ``is_repeat``.
    """
    columns = recording.columns
    bars = {
        "file": columns.file, "offset": columns.offsets, "length": columns.lengths, "started_s": columns.started_s,
        "ended_s": columns.ended_s, "is_data": columns.is_data, "is_repeat": columns.is_repeat,
    }  # fmt: skip
    return {
        **_head("waterfall", sentence(recording)),
        "elapsed_s": round(recording.elapsed_s, 6),
        "n_requests": recording.n_requests,
        "urls": [_shown(url) for url in columns.urls],
        **{name: _numbers(column[:MAX_BARS], digits=6) for name, column in bars.items()},
    }


def planned_spec(
    urls: Sequence[str],
    file: npt.NDArray[Any],
    offsets: npt.NDArray[Any],
    lengths: npt.NDArray[Any],
    started_s: npt.NDArray[np.float64],
    ended_s: npt.NDArray[np.float64],
    *,
    n_requests: int,
    elapsed_s: float,
    alt: str,
) -> dict[str, Any]:
    """Give requests that nobody has made yet as `waterfall_spec` gives recorded ones: all for chunks, none twice."""
    bars = {"file": file, "offset": offsets, "length": lengths, "started_s": started_s, "ended_s": ended_s}
    return {
        **_head("waterfall", alt),
        "elapsed_s": round(elapsed_s, 6),
        "n_requests": n_requests,
        "urls": [_shown(url) for url in urls],
        **{name: _numbers(column[:MAX_BARS], digits=6) for name, column in bars.items()},
        "is_data": [True] * len(file),
        "is_repeat": [False] * len(file),
    }


def _shown(url: str) -> str:
    """A url without its user and its query: a signature is not for a page, or a saved notebook."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _head(kind: str, alt: str) -> dict[str, Any]:
    return {"schema": SCHEMA, "kind": kind, "alt": alt}


def _map_colours() -> dict[str, Any]:
    return {
        "scale": _plain(RAMP),
        "sources": _plain(KINDS),
        "several": list(SEVERAL),
        "missing": list(MISSING),
        "inline": list(INLINE),
    }


def _is_constant(values: npt.NDArray[Any]) -> bool:
    return values.size == 0 or bool((values == values.flat[0]).all())


def _column(values: npt.NDArray[Any]) -> Any:
    """Numbers in few characters: one where all are the same, and fractions that are whole without their point."""
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    numbers = _numbers(values)
    return numbers[0] if _is_constant(values) else numbers


def _cells(chunks: ChunkMap) -> dict[str, Any]:
    fields = (
        "n_chunks", "n_missing", "n_inline", "stored_bytes", "min_bytes", "max_bytes", "ratio", "source",
    )  # fmt: skip
    return {
        "shape": list(chunks.shape),
        "cells": {name: _numbers(getattr(chunks, name)) for name in fields},
    }


def _numbers(values: npt.NDArray[Any], *, digits: int = 4) -> list[Any]:
    """Flat numbers; what is not finite is null, and fractions are cut to digits that a picture can show."""
    flat = values.reshape(-1)
    if flat.dtype.kind != "f":
        plain: list[Any] = flat.tolist()
        return plain
    rounded = np.round(flat.astype(np.float64), digits)
    return [
        value if known else None for value, known in zip(rounded.tolist(), np.isfinite(rounded), strict=True)
    ]


def _plain(colours: Sequence[tuple[int, int, int]]) -> list[list[int]]:
    return [list(colour) for colour in colours]


def _tones() -> dict[str, list[int]]:
    return {tone: list(colour) for tone, colour in ACCENTS.items()}
