"""Strategies of hypothesis: virtual arrays and datasets beside what they stand for, encodings, and files with faults.

Each example is a value with the values that it must read as, over bytes that numpy, zlib and zstd wrote.
"""

from __future__ import annotations

import itertools
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import obstore
import xarray as xr
from hypothesis import strategies as st
from numcodecs.zstd import Zstd

from vzlab.datasets import open_group
from vzlab.manifests import ArrayMetadata, ChunkGrid, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.storage import StoreRegistry
from vzlab.testing.faults import FAULTS, Fault

type Values = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How chunks are stored, and the codec chain that says so."""

    name: str
    codecs: Callable[[np.dtype[Any]], list[Mapping[str, Any]]]
    encode: Callable[[Values], bytes]


def _bytes_codec(dtype: np.dtype[Any]) -> Mapping[str, Any]:
    if dtype.itemsize == 1 or (dtype.kind in "SV" and not dtype.names):
        return {"name": "bytes"}
    return {"name": "bytes", "configuration": {"endian": "big" if dtype.byteorder == ">" else "little"}}


def _shuffled(chunk: Values) -> bytes:
    data = np.frombuffer(chunk.tobytes(), np.uint8).reshape(-1, chunk.dtype.itemsize)
    return zlib.compress(np.ascontiguousarray(data.T).tobytes(), 1)


RAW = Encoding(name="raw", codecs=lambda dtype: [_bytes_codec(dtype)], encode=lambda chunk: chunk.tobytes())
SHUFFLE_ZLIB = Encoding(
    name="shuffle, zlib",
    codecs=lambda dtype: [
        _bytes_codec(dtype),
        {"name": "numcodecs.shuffle", "configuration": {"elementsize": dtype.itemsize}},
        {"name": "numcodecs.zlib", "configuration": {"level": 1}},
    ],
    encode=_shuffled,
)
ZSTD = Encoding(
    name="zstd",
    codecs=lambda dtype: [
        _bytes_codec(dtype),
        {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
    ],
    encode=lambda chunk: bytes(Zstd(level=1).encode(chunk.tobytes())),
)
ENCODINGS = (RAW, SHUFFLE_ZLIB, ZSTD)


@dataclass
class Bytes:
    """A `memory://` object that grows by every chunk, with a registry that reads it."""

    url: str = field(default_factory=lambda: f"memory://{uuid.uuid4().hex}/chunks.bin")
    content: bytearray = field(default_factory=lambda: bytearray(b"not a chunk"))
    registry: StoreRegistry = field(default_factory=StoreRegistry)

    def append(self, data: bytes) -> dict[str, Any]:
        """Lay down one chunk and give its reference."""
        offset = len(self.content)
        self.content += data + b"\xff"
        return {"url": self.url, "offset": offset, "length": len(data)}

    def readable(self) -> StoreRegistry:
        """A registry that sees all that was laid down so far."""
        registry = StoreRegistry()
        store, key = registry.resolve(self.url)
        obstore.put(store, key, bytes(self.content))
        return registry


def virtual_array(
    values: Values,
    chunks: Sequence[int | tuple[int, ...]],
    *,
    source: Bytes,
    encoding: Encoding = RAW,
    state: Callable[[tuple[int, ...]], str] = lambda _: "virtual",
    fill_value: Any = None,
    dimension_names: Sequence[str] | None = None,
) -> ManifestArray:
    """References to the chunks of an array, which is changed to hold fill wherever `state` says "missing".

    Parameters
    ----------
    chunks
        As `ChunkGrid` takes them; edge chunks of a regular grid are padded, as HDF5 stores them.
    state
        Says for each grid index "virtual", "inline" or "missing".
    """
    metadata = ArrayMetadata.create(
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        codecs=encoding.codecs(values.dtype),
        fill_value=fill_value,
        dimension_names=dimension_names,
    )
    grid = ChunkGrid(shape=values.shape, chunks=tuple(chunks))
    references: dict[str, dict[str, Any] | bytes] = {}
    for index in itertools.product(*map(range, grid.grid_shape)):
        region = grid.region(index)
        kind = state(index)
        if kind == "missing":
            values[region] = metadata.fill_scalar
            continue
        part = values[region]
        padded = np.full(grid.stored_shape(index), 77, dtype=np.int64).astype(values.dtype)
        padded[tuple(slice(n) for n in part.shape)] = part
        stored = encoding.encode(padded)
        references[".".join(map(str, index))] = stored if kind == "inline" else source.append(stored)
    manifest = ChunkManifest.from_dict(references, grid_shape=grid.grid_shape)
    return ManifestArray(metadata=metadata, manifest=manifest)


DTYPES = tuple(
    np.dtype(name) for name in ("i1", "<i2", ">i2", "<i4", "<u4", ">f4", "<f8", ">f8", "<c8", "?", "S3")
)


def lengths_adding_up_to(extent: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Chunk lengths of one dimension, any positive ones that add up."""
    return st.sets(st.integers(1, max(extent - 1, 1)), max_size=4).map(
        lambda cuts: tuple(
            b - a for a, b in itertools.pairwise([0, *sorted(c for c in cuts if c < extent), extent]) if b > a
        )
    )


def dimension_chunks(extent: int) -> st.SearchStrategy[int | tuple[int, ...]]:
    """A uniform chunk length, which may leave a partial last chunk, or listed ones."""
    uniform = st.integers(1, max(extent, 1) + 1)
    return st.one_of(uniform, uniform, lengths_adding_up_to(extent)) if extent else st.integers(1, 3)


@dataclass(frozen=True)
class Kind:
    """What all arrays of one example have in common, so that they may be joined."""

    dtype: np.dtype[Any]
    encoding: Encoding
    fill_value: Any


kinds = st.builds(
    lambda dtype, encoding, fill: Kind(dtype, encoding, np.array(fill).astype(dtype)[()]),
    st.sampled_from(DTYPES),
    st.sampled_from(ENCODINGS),
    st.sampled_from([0, 1, 5]),
)


@st.composite
def array_pairs(
    draw: st.DrawFn,
    *,
    source: Bytes,
    kind: Kind,
    shape: tuple[int, ...] | None = None,
    chunks: Sequence[int | tuple[int, ...]] | None = None,
) -> tuple[ManifestArray, Values]:
    """A virtual array with virtual, inline and missing chunks, and the numpy array that it stands for."""
    if shape is None:
        shape = tuple(draw(st.lists(st.integers(1, 7), min_size=0, max_size=3)))
    if chunks is None:
        chunks = tuple(draw(dimension_chunks(extent)) for extent in shape)
    seed = draw(st.integers(0, 255))
    n = int(np.prod(shape, dtype=np.int64))
    values = ((np.arange(n) * 7 + seed) % 100).reshape(shape).astype(kind.dtype)
    every = ("virtual",) * 6 + ("inline", "missing")
    states = draw(st.sampled_from([("virtual",), every]))
    array = virtual_array(
        values,
        chunks,
        source=source,
        encoding=kind.encoding,
        state=lambda index: states[(sum(index) * 5 + seed) % len(states)],
        fill_value=kind.fill_value,
    )
    return array, values


def manifests() -> st.SearchStrategy[ChunkManifest]:
    """Manifests of up to three dimensions, with virtual, inline and missing chunks."""
    return kinds.flatmap(lambda kind: array_pairs(source=Bytes(), kind=kind)).map(
        lambda pair: pair[0].manifest
    )


@dataclass(frozen=True, kw_only=True)
class VirtualExample:
    """A virtual dataset, the values of its variables, and what reads it."""

    dataset: xr.Dataset
    values: Mapping[str, Values]
    """Stored values by name of variable."""
    registry: StoreRegistry


@st.composite
def virtual_datasets(draw: st.DrawFn, *, max_variables: int = 3) -> VirtualExample:
    """Datasets of virtual variables of several types, encodings and chunk grids, on shared dimensions."""
    source = Bytes()
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
    dims = [f"axis_{axis}" for axis in range(len(shape))]
    variables, values = {}, {}
    for number in range(draw(st.integers(1, max_variables))):
        array, expected = draw(array_pairs(source=source, kind=draw(kinds), shape=shape))
        variables[f"v{number}"] = xr.Variable(dims, array)
        values[f"v{number}"] = expected
    return VirtualExample(dataset=xr.Dataset(variables), values=values, registry=source.readable())


@st.composite
def hdf5_files(draw: st.DrawFn, folder: Path) -> Path:
    """HDF5 files with one variable ``x`` of any layout, type, filters and packing, written by h5py into a folder."""
    dtype = draw(st.sampled_from([dtype for dtype in DTYPES if dtype.kind in "iuf"]))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    is_chunked = draw(st.booleans())
    options: dict[str, Any] = {}
    if is_chunked:
        options["chunks"] = tuple(draw(st.integers(1, n)) for n in shape)
        options["compression"] = draw(st.sampled_from([None, "gzip", "lzf"]))
        options["shuffle"] = draw(st.booleans())
        options["fletcher32"] = draw(st.booleans())
        options["maxshape"] = tuple(draw(st.sampled_from([n, None])) for n in shape)
    seed = draw(st.integers(0, 255))
    values = ((np.arange(np.prod(shape)) * 7 + seed) % 100).reshape(shape).astype(dtype)
    path = folder / f"{uuid.uuid4().hex}.h5"
    with h5py.File(path, "w") as file:
        variable = file.create_dataset(
            "x", shape=shape, dtype=dtype, fillvalue=draw(st.sampled_from([None, 1, 5])), **options
        )
        if draw(st.booleans()):
            variable[...] = values
        else:  # some of it is never written
            variable[: max(shape[0] // 2, 1)] = values[: max(shape[0] // 2, 1)]
        if draw(st.booleans()):
            variable.attrs["_FillValue"] = np.array([draw(st.integers(0, 9))], dtype)
        if dtype.kind in "iu" and draw(st.booleans()):
            variable.attrs["scale_factor"] = draw(st.sampled_from([0.01, 0.5, 2.0]))
            variable.attrs["add_offset"] = draw(st.sampled_from([0.0, -3.5, 273.15]))
    return path


@dataclass(frozen=True, kw_only=True)
class FaultyExample:
    """A file, and references to it with one thing wrong."""

    file: Path
    group: ManifestGroup
    fault: Fault


@st.composite
def faulty_files(draw: st.DrawFn, folder: Path, file: Path, variable: str) -> FaultyExample:
    """References to a file with one of the faults that `vzlab.testing.faults` makes in one file; copies go into a folder."""
    fault = FAULTS[draw(st.sampled_from(sorted(FAULTS.keys() - {"wrong_file"})))]
    copies = folder / uuid.uuid4().hex
    copies.mkdir()
    return FaultyExample(file=file, group=fault(open_group(file), variable, copies), fault=fault)
