"""Any mixture of virtual, inline and missing chunks, fill values and missing values reads as numpy says it should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.writers.stores import array_over, read_icechunk, read_kerchunk
from vzlab.manifests import ChunkManifest, ManifestArray
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.writers import write_icechunk, write_kerchunk


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[NDArray[Any], tuple[int, ...], NDArray[Any], int, int | None]:
    """Draw stored values, a chunk shape, the state of each chunk, HDF5 fill and CF missing value."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=2)))
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    grid = tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))
    n_values, n_chunks = int(np.prod(shape)), int(np.prod(grid))
    few = st.integers(-2, 2)
    values = np.array(
        draw(st.lists(few, min_size=n_values, max_size=n_values)), draw(st.sampled_from(["<i2", "<f4"]))
    )
    states = draw(st.lists(st.sampled_from([0, INLINE, MISSING]), min_size=n_chunks, max_size=n_chunks))
    return (
        values.reshape(shape),
        chunks,
        np.array(states, np.uint32).reshape(grid),
        draw(few),
        draw(st.none() | few),
    )


def mixed(
    path: Path, values: NDArray[Any], chunks: tuple[int, ...], states: NDArray[Any], fill: int
) -> ManifestArray:
    """Give an array of which some chunks lie in a file, some in the manifest, and some nowhere."""
    array = array_over(path, values, chunks, fill=values.dtype.type(fill))
    content, n_bytes = path.read_bytes(), int(array.manifest.lengths.flat[0])
    starts = array.manifest.offsets
    inline = [content[s : s + n_bytes] for s in starts[states == INLINE].tolist()]
    offsets = np.where(states == MISSING, np.uint64(0), starts)
    offsets[states == INLINE] = np.arange(len(inline))
    manifest = ChunkManifest(
        sources=array.manifest.sources,
        source_index=states,
        offsets=offsets,
        lengths=np.where(states == MISSING, np.uint64(0), np.uint64(n_bytes)),
        inline=inline,
    )
    return replace(array, manifest=manifest)


def expected_of(
    values: NDArray[Any], chunks: tuple[int, ...], states: NDArray[Any], fill: int, missing: int | None
) -> NDArray[Any]:
    """Say what a reader shall see, element by element."""
    whole = values.astype("f8")
    for index in np.ndindex(*values.shape):
        if states[tuple(i // c for i, c in zip(index, chunks, strict=True))] == MISSING:
            whole[index] = fill
        if missing is not None and whole[index] == missing:
            whole[index] = np.nan
    return whole


@settings(deadline=None, max_examples=40)
@given(mixtures(), st.sampled_from(["icechunk", "dict", "parquet"]))
def test_any_mixture_reads_as_it_should(
    mixture: tuple[NDArray[Any], tuple[int, ...], NDArray[Any], int, int | None], target: str
) -> None:
    values, chunks, states, fill, missing = mixture
    with TemporaryDirectory() as folder:
        array = mixed(Path(folder, "raw.bin"), values, chunks, states, fill)
        attributes = {} if missing is None else {"_FillValue": missing}
        dims = ("y", "x")[: values.ndim]
        dataset = xr.Dataset({"v": xr.Variable(dims, array, attributes)})
        if target == "icechunk":
            storage = icechunk.in_memory_storage()
            write_icechunk(dataset, storage)
            got = read_icechunk(storage)
        else:
            place = None if target == "dict" else Path(folder, "refs.parq")
            references = write_kerchunk(dataset, place, format=target)  # type: ignore[arg-type]
            got = read_kerchunk(references or place)
        np.testing.assert_array_equal(got.v, expected_of(*mixture))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_appended_parts_equal_the_whole(data: st.DataObject) -> None:
    n_parts = data.draw(st.integers(1, 4))
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=n_parts, max_size=n_parts))
    repository = icechunk.in_memory_storage()
    values = np.arange(3 * sum(lengths), dtype="<i4").reshape(-1, 3)
    with TemporaryDirectory() as folder, zarr.config.set({"array.rectilinear_chunks": True}):
        start = 0
        for i, n in enumerate(lengths):
            part = values[start : start + n]
            array = array_over(Path(folder, f"{i}.bin"), part, (n, 2))
            write_icechunk(xr.Dataset({"v": (("t", "x"), array)}), repository, append_dim="t")
            start += n
        np.testing.assert_array_equal(read_icechunk(repository).v, values)
