"""What is written is what is read: Kerchunk references and Icechunk repositories, whatever their chunks are."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.parsers import IcechunkParser, KerchunkParser
from vzlab.parsers.zarr_documents import build_tree
from vzlab.writers import write_icechunk, write_kerchunk

DTYPES = ("<i2", ">i4", "<f8", ">f4", "|u1", "|b1")
CODECS: tuple[tuple[dict[str, Any], ...], ...] = (
    (),
    ({"name": "numcodecs.zlib", "configuration": {"level": 1}},),
    (
        {"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}},
        {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
    ),
)
LOCAL = ("file:///data/archive/a%20b%231.nc", "file:///data/archive/c.nc")
REMOTE = ("s3://bucket/a%20b.nc", "https://host/c%20d.nc?token=1")


@st.composite
def arrays(draw: st.DrawFn, urls: tuple[str, ...], *, uneven: bool) -> ManifestArray:
    """An array whose chunks are virtual, inline or missing, in any order."""
    lengths = draw(st.lists(st.integers(1, 3), min_size=0, max_size=3))
    chunks: list[Any] = draw(st.lists(st.integers(1, 4), min_size=len(lengths), max_size=len(lengths)))
    shape = [n * c for n, c in zip(lengths, chunks, strict=True)]
    if uneven and shape and draw(st.booleans()):
        chunks[0] = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
        shape[0] = sum(chunks[0])
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    endian = {} if dtype.itemsize == 1 else {"endian": "big" if dtype.byteorder == ">" else "little"}
    codec = {"name": "bytes", "configuration": endian} if endian else {"name": "bytes"}
    fill = draw(st.sampled_from([None, 1])) if dtype.kind != "b" else None
    metadata = ArrayMetadata.create(
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        codecs=(codec, *draw(st.sampled_from(CODECS))),
        fill_value=fill,
        # Zarr v2 has one fill value for what was never written and for what is missing.
        attributes={"units": "K"} | ({} if fill is None else {"_FillValue": dtype.type(fill).item()}),
        dimension_names=[f"d{len(shape)}{axis}{n}" for axis, n in enumerate(shape)],
    )
    grid = metadata.chunk_grid.grid_shape
    references: dict[str, Any] = {}
    for at in np.ndindex(grid):
        state = draw(st.sampled_from(["virtual", "inline", "missing"]))
        key = ".".join(map(str, at)) or "."
        if state == "virtual":
            url, offset = draw(st.sampled_from(urls)), draw(st.integers(0, 10**12))
            references[key] = {"url": url, "offset": offset, "length": draw(st.integers(1, 10**9))}
        elif state == "inline":
            references[key] = draw(st.binary(min_size=1, max_size=20) | st.just(b"base64:a"))
    return ManifestArray(metadata=metadata, manifest=ChunkManifest.from_dict(references, grid_shape=grid))


@st.composite
def groups(draw: st.DrawFn, urls: tuple[str, ...], *, uneven: bool = False) -> ManifestGroup:
    """A tree of such arrays."""
    paths = draw(st.lists(st.sampled_from(["x", "a/x", "a/b/y", "c/z"]), min_size=1, unique=True))
    nodes = {path: draw(arrays(urls, uneven=uneven)) for path in paths}
    attributes = {path.rpartition("/")[0]: {"title": path} for path in paths} | {"": {"title": "root"}}
    return build_tree(nodes, attributes, format="")


def as_tree(group: ManifestGroup) -> xr.DataTree:
    """A group as it is written."""
    nodes = {}
    for path, part in group.walk():
        variables = {
            name: xr.Variable(
                array.metadata.dimension_names,  # type: ignore[arg-type]
                replace(array, metadata=replace(array.metadata, attributes={}, dimension_names=None)),
                array.metadata.attributes,
            )
            for name, array in part.arrays.items()
        }
        nodes["/" + path] = xr.Dataset(variables, attrs=dict(part.attributes))
    return xr.DataTree.from_dict(nodes)


def plain(group: ManifestGroup) -> ManifestGroup:
    """A group without what says where it was read from."""
    return replace(group, format="", groups={name: plain(part) for name, part in group.groups.items()})


@pytest.mark.parametrize("form", ["dict", "json", "parquet"])
@settings(max_examples=25, deadline=None)
@given(group=groups(LOCAL + REMOTE))
def test_kerchunk_references(form: str, group: ManifestGroup) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = None if form == "dict" else Path(folder) / ("refs.json" if form == "json" else "refs.parq")
        made = write_kerchunk(as_tree(group), path, format=form)  # type: ignore[arg-type]
        assert plain(KerchunkParser()(made if path is None else path)) == group


@settings(max_examples=25, deadline=None)
@given(group=groups(LOCAL, uneven=True))
def test_icechunk_repositories(group: ManifestGroup) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "repo"
        write_icechunk(as_tree(group), path)
        # Short chunks are held in the repository's manifests, as they were held here.
        assert plain(IcechunkParser()(path)) == group
