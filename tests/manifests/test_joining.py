"""Joining: months, partial chunks in the middle, codecs that differ, arrays in memory, reindexing under xarray."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.manifests.virtual_arrays import (
    ENCODINGS,
    REFUSALS,
    SHUFFLE_ZLIB,
    ZSTD,
    Bytes,
    Encoding,
    assert_explains,
    assert_reads_as,
    virtual_array,
)
from vzlab.errors import IncompatibleArraysError, VirtualArrayError
from vzlab.manifests import ManifestArray

gzip = lambda level: {"name": "gzip", "configuration": {"level": level}}  # noqa: E731
every_encoding = pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)


def ramp(*shape: int, start: int = 1, dtype: str = "<i4") -> Any:
    return np.arange(start, start + int(np.prod(shape)), dtype=dtype).reshape(shape)


# -- chunk lengths -----------------------------------------------------------------------------------------------------------


@every_encoding
def test_months_make_a_rectilinear_grid(encoding: Encoding) -> None:
    source = Bytes()
    months = [ramp(n, 4, start=100 * n) for n in (31, 28, 31)]
    joined = np.concatenate([virtual_array(m, (len(m), 4), source=source, encoding=encoding) for m in months])
    assert joined.chunk_grid.chunks == ((31, 28, 31), 4)
    assert [codec["name"] for codec in joined.codecs] == [c["name"] for c in encoding.codecs(np.dtype("<i4"))]
    assert_reads_as(joined, np.concatenate(months), source)


def test_a_partial_chunk_in_the_middle_of_uncompressed_data_is_cut_by_its_bytes() -> None:
    source = Bytes()
    parts = [ramp(5, 3), ramp(4, 3, start=50)]
    arrays = [virtual_array(part, (2, 3), source=source) for part in parts]
    joined = np.concatenate(arrays)
    assert joined.chunk_grid.chunks == ((2, 2, 1, 2, 2), 3)
    assert [codec["name"] for codec in joined.codecs] == ["bytes"]
    assert joined.manifest.lengths.ravel().tolist() == [24, 24, 12, 24, 24]
    assert_reads_as(joined, np.concatenate(parts), source)


@pytest.mark.parametrize("encoding", [SHUFFLE_ZLIB, ZSTD], ids=lambda encoding: encoding.name)
def test_a_partial_chunk_in_the_middle_of_compressed_data_is_cropped(encoding: Encoding) -> None:
    source = Bytes()
    parts = [ramp(5, 3), ramp(4, 3, start=50), ramp(3, 3, start=90)]
    joined = np.concatenate([virtual_array(part, (2, 3), source=source, encoding=encoding) for part in parts])
    assert joined.chunk_grid.chunks == ((2, 2, 1, 2, 2, 2, 1), 3)
    assert joined.codecs[0] == {"name": "vzlab.crop", "configuration": {"stored_shape": [2, 3]}}
    assert_reads_as(joined, np.concatenate(parts), source)
    more = np.concatenate(
        [joined, virtual_array(ramp(2, 3), (2, 3), source=source, encoding=encoding), ramp(3, 3)]
    )
    assert_reads_as(more, np.concatenate([*parts, ramp(2, 3), ramp(3, 3)]), source)


def test_a_partial_last_chunk_at_the_end_stays_regular() -> None:
    source = Bytes()
    parts = [ramp(4), ramp(3, start=9)]
    joined = np.concatenate([virtual_array(part, (2,), source=source, encoding=ZSTD) for part in parts])
    assert joined.chunk_grid.chunks == (2,)
    assert_reads_as(joined, np.concatenate(parts), source)


@pytest.mark.parametrize("lengths", [(2, 3), (5, 2)])
def test_compressed_chunks_of_two_lengths_with_a_partial_one_are_refused(lengths: tuple[int, ...]) -> None:
    source = Bytes()
    arrays = [virtual_array(ramp(5), (n,), source=source, encoding=ZSTD) for n in lengths]
    with pytest.raises(
        IncompatibleArraysError, match=r"chunk of 2.*only 1 of it.*no chunk grid says this"
    ) as refusal:
        np.concatenate(arrays)
    assert_explains(refusal.value)


# -- codecs ------------------------------------------------------------------------------------------------------------------


def _with_codec(array: ManifestArray, codec: dict[str, Any]) -> ManifestArray:
    metadata = array.metadata.with_layout(
        shape=array.shape, chunks=array.chunk_grid.chunks, codecs=[*array.codecs, codec]
    )
    return ManifestArray(metadata=metadata, manifest=array.manifest)


def test_codecs_that_differ_only_in_how_they_encode_combine() -> None:
    base = virtual_array(ramp(4), (2,), source=Bytes())
    joined = np.concatenate([_with_codec(base, gzip(4)), _with_codec(base, gzip(6))])
    assert joined.codecs[1] == gzip(4)
    stacked = np.stack([_with_codec(base, gzip(4)), _with_codec(base, gzip(6))])
    assert stacked.shape == (2, 4)


def test_codecs_that_decode_differently_are_refused_with_both_chains() -> None:
    base = virtual_array(ramp(4), (2,), source=Bytes())
    with pytest.raises(IncompatibleArraysError) as refusal:
        np.concatenate(
            [_with_codec(base, gzip(4)), _with_codec(base, {"name": "zstd", "configuration": {"level": 3}})]
        )
    assert "bytes(endian='little') -> gzip(level=4)" in str(refusal.value)
    assert "bytes(endian='little') -> zstd(level=3)" in str(refusal.value)
    assert_explains(refusal.value)


# -- arrays in memory ----------------------------------------------------------------------------------------------------------


@every_encoding
def test_arrays_in_memory_become_inline_chunks(encoding: Encoding) -> None:
    source = Bytes()
    values, more = ramp(4, 3), ramp(5, 3, start=70)
    array = virtual_array(values, (2, 2), source=source, encoding=encoding)
    for parts in ([array, more], [more, array], [more, array, more]):
        joined = np.concatenate(parts)
        assert joined.manifest.n_inline
        assert_reads_as(joined, np.concatenate([values if p is array else p for p in parts]), source)


def test_an_array_in_memory_of_another_shape_is_refused() -> None:
    array = virtual_array(ramp(4, 3), (2, 3), source=Bytes())
    with pytest.raises(IncompatibleArraysError, match="shape"):
        np.concatenate([array, array[0]], axis=1)
    with pytest.raises(IncompatibleArraysError, match="shape"):
        np.concatenate([array, ramp(4, 2)])


# -- what is refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "need_values",
    [
        np.asarray,
        np.array,
        lambda a: a + 1,
        lambda a: 2 * a,
        lambda a: a > 3,
        lambda a: -a,
        np.sum,
        np.mean,
        np.sqrt,
        lambda a: a == 3,
        lambda a: a == ramp(4, 3),
        lambda a: a.astype("f8"),
        np.flip,
        np.isnan,
        lambda a: np.concatenate([a, a.astype("i8")]),
        lambda a: np.concatenate([a, a], dtype="f8"),
        lambda a: np.concatenate([a, a], axis=None),
        lambda a: np.stack([a, a], out=np.zeros((2, 4, 3))),
        lambda a: a[[[0, 1], [1, 0]]],
        lambda a: a[np.ones(a.shape, bool)],
    ],
)
def test_what_needs_values_says_what_to_do(need_values: Any) -> None:
    array = virtual_array(ramp(4, 3), (2, 3), source=Bytes(), encoding=ZSTD)
    with pytest.raises(VirtualArrayError) as refusal:
        need_values(array)
    assert_explains(refusal.value)
    assert "virtual" in str(refusal.value).lower()


def test_turning_it_into_numpy_names_the_ways_out() -> None:
    array = virtual_array(ramp(4, 3), (2, 3), source=Bytes())
    with pytest.raises(VirtualArrayError, match=r"2 references.*loadable_variables.*to_icechunk"):
        np.asarray(array)


def test_part_of_a_compressed_chunk_names_the_chunk() -> None:
    array = virtual_array(ramp(6, 3), (3, 3), source=Bytes(), encoding=ZSTD)
    with pytest.raises(VirtualArrayError, match=r"compressed chunk 1 along axis 0.*That chunk is 3:6"):
        array[4:]


# -- under xarray --------------------------------------------------------------------------------------------------------------


def dataset(array: Any, *coordinates: Any) -> xr.Dataset:
    dims = ("t", "x")[: array.ndim]
    return xr.Dataset(
        {"v": (dims, array)}, coords={dim: list(c) for dim, c in zip(dims, coordinates, strict=False)}
    )


def assert_same_dataset(virtual: xr.Dataset, plain: xr.Dataset, source: Bytes) -> None:
    assert virtual["v"].dims == plain["v"].dims
    assert virtual.sizes == plain.sizes
    data = virtual["v"].variable._data
    assert isinstance(data, ManifestArray)
    assert_reads_as(data, plain["v"].values, source)


@every_encoding
def test_reindexing_fills_what_is_missing(encoding: Encoding) -> None:
    source = Bytes()
    values = ramp(3, 4)
    array = virtual_array(values, (1, 2), source=source, encoding=encoding, fill_value=np.int32(-9))
    for fill in (-9, 5):
        for times in ([0, 1, 2, 3], [-1, 0, 2, 7, 8], [2, 1], [9]):
            virtual, plain = (
                dataset(a, [0, 1, 2], range(4)).reindex(t=times, fill_value=fill) for a in (array, values)
            )
            assert_same_dataset(virtual, plain, source)


def test_what_is_filled_with_the_fill_value_is_missing_and_takes_no_bytes() -> None:
    array = virtual_array(ramp(3, 4), (1, 2), source=Bytes(), fill_value=np.int32(-9))
    filled = dataset(array, [0, 1, 2], range(4)).reindex(t=range(1000), fill_value=-9)["v"].variable._data
    assert (filled.manifest.n_virtual, filled.manifest.n_inline, filled.manifest.n_missing) == (6, 0, 1994)


@every_encoding
def test_aligning_by_outer_join_and_concatenating(encoding: Encoding) -> None:
    source = Bytes()
    values = ramp(2, 4), ramp(3, 4, start=60)
    arrays = [virtual_array(v, (1, 4), source=source, encoding=encoding) for v in values]
    times = [0, 1], [1, 2, 3]
    aligned = [
        xr.align(
            *(dataset(a, t, range(4)) for a, t in zip(kind, times, strict=True)), join="outer", fill_value=0
        )
        for kind in (arrays, values)
    ]
    for virtual, plain in zip(*aligned, strict=True):
        assert_same_dataset(virtual, plain, source)
    joined = [xr.concat(list(pair), dim="run") for pair in aligned]
    assert_same_dataset(joined[0], joined[1], source)


@every_encoding
def test_combining_by_coordinates(encoding: Encoding) -> None:
    source = Bytes()
    parts = [(ramp(2, 4, start=10 * i), [2 * i, 2 * i + 1]) for i in (2, 0, 1)]
    virtual = [
        dataset(virtual_array(v, (2, 3), source=source, encoding=encoding), t, range(4)) for v, t in parts
    ]
    plain = [dataset(v, t, range(4)) for v, t in parts]
    options: dict[str, Any] = {
        "combine_attrs": "override",
        "join": "exact",
        "data_vars": "minimal",
        "coords": "minimal",
        "compat": "override",
    }
    assert_same_dataset(
        xr.combine_by_coords(virtual, **options), xr.combine_by_coords(plain, **options), source
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_reindex_reads_as_numpy_or_is_refused_with_advice(data: st.DataObject) -> None:
    source = Bytes()
    encoding = data.draw(st.sampled_from(ENCODINGS))
    n, chunk = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    values = ramp(n, 3)
    array = virtual_array(values, (chunk, data.draw(st.integers(1, 4))), source=source, encoding=encoding)
    wanted = data.draw(st.lists(st.integers(-2, n + 1), unique=True, min_size=1, max_size=8))
    fill = data.draw(st.sampled_from([0, 5]))
    plain = dataset(values, range(n), range(3)).reindex(t=wanted, fill_value=fill)
    try:
        virtual = dataset(array, range(n), range(3)).reindex(t=wanted, fill_value=fill)
    except REFUSALS as error:
        assert_explains(error)
        return
    assert_same_dataset(virtual, plain, source)


def test_indexing_by_numpy_integers_and_negative_ones() -> None:
    source = Bytes()
    values = ramp(4, 3)
    virtual, plain = (
        dataset(a, range(4), range(3)) for a in (virtual_array(values, (1, 3), source=source), values)
    )
    for choose in (
        lambda d: d.isel(t=np.int64(2)),
        lambda d: d.isel(t=-1),
        lambda d: d.isel(t=slice(None, None, -1)),
        lambda d: d.isel(t=[3, 0]),
        lambda d: d.sel(t=2),
        lambda d: d.sel(t=slice(1, 2)),
        lambda d: d.isel(t=0).expand_dims("t"),
        lambda d: d.transpose("x", "t"),
        lambda d: d.squeeze(),
        lambda d: d.expand_dims("run").isel(run=0),
        lambda d: d.head(t=2),
    ):
        assert_same_dataset(choose(virtual), choose(plain), source)


def test_xarray_finds_identical_references_equal() -> None:
    source = Bytes()
    array = virtual_array(ramp(4, 3), (2, 3), source=source)
    virtual = dataset(array, range(4), range(3))
    assert virtual.identical(virtual.copy())
    assert virtual.equals(dataset(array[:], range(4), range(3)))
    with pytest.raises(VirtualArrayError, match="comparing values"):
        virtual.equals(dataset(array.rename_urls(lambda url: url + "x"), range(4), range(3)))
