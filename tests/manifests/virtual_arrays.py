"""Virtual arrays over bytes that numpy, zlib and zstd wrote, each beside the numpy array that it stands for."""

from __future__ import annotations

import itertools
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import obstore
import zarr
from hypothesis import strategies as st
from numcodecs.zstd import Zstd

from vzlab.errors import IncompatibleArraysError, VirtualArrayError
from vzlab.manifests import ArrayMetadata, ChunkGrid, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.storage import ManifestStore, StoreRegistry, read_array
from vzlab.storage.pipeline import PATH

type Values = npt.NDArray[Any]

FUSED = "zarr.core.codec_pipeline.FusedCodecPipeline"
BATCHED = "zarr.core.codec_pipeline.BatchedCodecPipeline"
PIPELINES: tuple[dict[str, Any], ...] = (
    {"codec_pipeline.path": PATH},
    {"codec_pipeline.path": FUSED},
    {"codec_pipeline.path": BATCHED, "vzlab.read_pipeline": False},
)
"""Settings of zarr: vzlab's own pipeline, and both of zarr's."""
REFUSALS = (VirtualArrayError, IncompatibleArraysError)
ADVICE = ("load", "select", "leave", "expected", "write", "open")
"""Every refusal says one of these: what to do, or what would have been taken."""


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


def assert_reads_as(
    array: ManifestArray, expected: Values, source: Bytes, *, through_zarr: bool = True
) -> None:
    """What the references give is `expected`: read by us, and by zarr with each codec pipeline."""
    registry = source.readable()
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype.newbyteorder("="))
    assert_same(read_array(array, registry), expected)
    for settings in PIPELINES if through_zarr else ():
        with zarr.config.set(settings):
            opened = zarr.open_group(ManifestStore(ManifestGroup(arrays={"x": array}), registry), mode="r")[
                "x"
            ]
            assert isinstance(opened, zarr.Array)
            assert_same(np.asarray(opened[...], dtype=opened.dtype), expected)


def assert_same(found: Values, expected: Values) -> None:
    """Equal shapes and equal bits, whatever the byte order."""
    expected = expected.astype(expected.dtype.newbyteorder("="))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(expected).tobytes()


def assert_explains(error: Exception) -> None:
    """A refusal says what to do."""
    text = str(error).lower()
    assert len(text) > 30, text
    assert any(word in text for word in ADVICE), text


# -- strategies ------------------------------------------------------------------------------------------------------

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
