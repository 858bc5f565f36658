"""What a file's metadata declare to be one image, as one virtual array: OME-TIFF, ImageJ, and tifffile's own stacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON, bytes_codecs
from vzlab.errors import CorruptFileError, UnvirtualizableError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile
from vzlab.manifests.metadata import same_json
from vzlab.parsers.base import check_bounds
from vzlab.parsers.tiff.layout import read_page, stored_dtype

_NAMES = {"T": "time", "C": "channel", "Z": "z", "Y": "y", "X": "x", "S": "band"}


def axis_names(axes: str) -> tuple[str, ...]:
    """Names of dimensions for tifffile's letters."""
    return tuple(_NAMES.get(letter, f"axis_{letter.lower()}") for letter in axes)


def read_series(
    series: Any, source_of: Callable[[Any], SourceFile], *, name: str
) -> tuple[ManifestArray, tuple[str, ...]]:
    """One series as a virtual array with bands before rows, and the names of its dimensions.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
    source_of : callable
        From a ``tifffile.TiffFile`` to what is known of it.

    Raises
    ------
    UnvirtualizableError
        If planes are missing, or are stored in different ways.
    """
    keyframe = series.keyframe
    axes, shape = str(series.axes), tuple(int(n) for n in series.shape)
    inner = str(keyframe.axes)
    if not axes.endswith(inner):
        raise UnvirtualizableError(f"Its axes are {axes}, and those of its pages {inner}.")
    outer_axes, outer = axes[: -len(inner)], shape[: len(axes) - len(inner)]
    names = axis_names(outer_axes + ("SYX" if "S" in inner else inner))
    if series.dataoffset is not None and math.prod(outer) != len(series.pages):
        return _contiguous(series, outer, source_of(keyframe.parent), name), names
    pages = list(series.pages)
    if len(pages) != math.prod(outer) or any(page is None for page in pages):
        raise UnvirtualizableError(
            f"It should have {math.prod(outer)} planes, and not all are here: they lie in files that were not found, or were "
            "never written."
        )
    planes = [read_page(page.aspage(), source_of(page.parent), name=name) for page in pages]
    first = planes[0].metadata
    if not all(same_json(plane.metadata.to_dict(), first.to_dict()) for plane in planes):
        raise UnvirtualizableError("Its planes are not all stored in the same way.")
    metadata = replace(
        first,
        shape=(*outer, *first.shape),
        chunks=(*(1 for _ in outer), *first.chunks),
        codecs=_behind(first.codecs, len(outer)),
    )
    return ManifestArray(metadata=metadata, manifest=_stacked(planes, outer)), names


def _behind(codecs: tuple[CodecJSON, ...], n_outer: int) -> tuple[CodecJSON, ...]:
    """A page's codecs for chunks that have more dimensions in front."""
    if not n_outer or codecs[0]["name"] != "transpose":
        return codecs
    order = [*range(n_outer), *(n_outer + axis for axis in codecs[0]["configuration"]["order"])]
    return ({"name": "transpose", "configuration": {"order": order}}, *codecs[1:])


def _stacked(planes: list[ManifestArray], outer: tuple[int, ...]) -> ChunkManifest:
    sources: dict[SourceFile, int] = {}
    index = []
    for plane in planes:
        table = np.array([sources.setdefault(s, len(sources)) for s in plane.manifest.sources], np.uint32)
        own = plane.manifest.source_index
        virtual = own < len(table)
        index.append(np.where(virtual, table[np.where(virtual, own, 0)], own) if len(table) else own)
    grid = (*outer, *planes[0].manifest.grid_shape)
    return ChunkManifest(
        sources=sources,
        source_index=np.stack(index).reshape(grid).astype(np.uint32),
        offsets=np.stack([plane.manifest.offsets for plane in planes]).reshape(grid),
        lengths=np.stack([plane.manifest.lengths for plane in planes]).reshape(grid),
    )


def _contiguous(series: Any, outer: tuple[int, ...], source_file: SourceFile, name: str) -> ManifestArray:
    """Planes one after another behind a single directory, uncompressed; each is a chunk."""
    page = series.keyframe
    dtype = stored_dtype(page)
    n_outer, is_interleaved = len(outer), page.axes == "YXS"
    inner = tuple(int(n) for n in page.shape)
    n_bytes = math.prod(inner) * dtype.itemsize
    if page.bitspersample != 8 * dtype.itemsize:
        raise UnvirtualizableError(f"Its planes are packed, {page.bitspersample} bits a sample.")
    if int(series.dataoffset) + n_bytes * math.prod(outer) > (source_file.size_bytes or 0):
        raise CorruptFileError(
            f"Planes of series {name!r} reach past the end of the file, which was truncated or damaged."
        )
    shape = (inner[2], inner[0], inner[1]) if is_interleaved else inner
    grid = (*outer, *(1 for _ in shape))
    starts = np.arange(math.prod(outer), dtype=np.uint64) * np.uint64(n_bytes) + np.uint64(series.dataoffset)
    manifest = ChunkManifest.from_ranges(source_file, starts.reshape(grid), np.full(grid, n_bytes, np.uint64))
    codecs: tuple[CodecJSON, ...] = bytes_codecs(dtype)
    if is_interleaved:
        codecs = (
            {
                "name": "transpose",
                "configuration": {"order": [*range(n_outer), n_outer + 1, n_outer + 2, n_outer]},
            },
            *codecs,
        )
    metadata = ArrayMetadata.create(
        shape=(*outer, *shape), dtype=dtype, chunks=(*(1 for _ in outer), *shape), codecs=codecs
    )
    return ManifestArray(
        metadata=metadata, manifest=check_bounds(manifest, variable=name, n_bytes=n_bytes, what="plane")
    )
