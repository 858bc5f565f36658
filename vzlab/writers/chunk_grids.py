"""Rectilinear chunk grids in the one form that Icechunk takes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_listed_lengths(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A ``zarr.json`` whose rectilinear grid lists the chunk lengths of every dimension.

    The Zarr extension lets a dimension of uniform chunks be one integer; Icechunk 2.3 wants lists throughout. The last
    length of a list may reach beyond the array, as the chunk is stored.
    """
    grid = document["chunk_grid"]
    if grid["name"] != "rectilinear":
        return document
    listed = [
        [[lengths, max(1, -(-extent // lengths))]] if isinstance(lengths, int) else lengths
        for lengths, extent in zip(grid["configuration"]["chunk_shapes"], document["shape"], strict=True)
    ]
    return _with_chunk_shapes(document, listed)


def with_uniform_lengths(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A ``zarr.json`` whose rectilinear grid has one integer for each dimension that lists one length only."""
    grid = document["chunk_grid"]
    if grid["name"] != "rectilinear":
        return document
    return _with_chunk_shapes(document, [_uniform(spec) for spec in grid["configuration"]["chunk_shapes"]])


def _uniform(spec: Any) -> Any:
    if isinstance(spec, int):
        return spec
    lengths = {run if isinstance(run, int) else run[0] for run in spec}
    return lengths.pop() if len(lengths) == 1 else spec


def _with_chunk_shapes(document: Mapping[str, Any], chunk_shapes: list[Any]) -> Mapping[str, Any]:
    configuration = {**document["chunk_grid"]["configuration"], "chunk_shapes": chunk_shapes}
    return {**document, "chunk_grid": {"name": "rectilinear", "configuration": configuration}}
