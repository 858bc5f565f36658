"""Random operations on a virtual array and on the numpy array that it stands for give the same values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings

from tests.manifests.virtual_arrays import (
    ENCODINGS,
    RAW,
    REFUSALS,
    Bytes,
    Kind,
    Values,
    array_pairs,
    assert_explains,
    assert_reads_as,
    assert_same,
    kinds,
    virtual_array,
)
from vzlab.errors import IncompatibleArraysError, VirtualArrayError
from vzlab.manifests import ManifestArray
from vzlab.storage import read_array

type Step = tuple[str, Callable[[Any], Any]]
"""What it is called, and what does it to either kind of array."""

moderate = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def _integers(extent: int) -> st.SearchStrategy[Any]:
    plain = st.integers(-extent, extent - 1)
    return st.one_of(plain, plain.map(np.int64), plain.map(np.int8), plain.map(np.array))


def _slices(extent: int) -> st.SearchStrategy[slice]:
    ends = st.one_of(st.none(), st.integers(-extent - 2, extent + 2))
    return st.builds(slice, ends, ends, st.sampled_from([None, None, None, 1, 2, -1]))


def _indexer(extent: int) -> st.SearchStrategy[Any]:
    if extent == 0:
        return _slices(extent)
    lists = st.lists(st.integers(-extent, extent - 1), max_size=6).map(
        lambda found: np.array(found, dtype=np.intp)
    )
    masks = st.lists(st.booleans(), min_size=extent, max_size=extent).map(np.array)
    runs = st.builds(
        lambda a, n: np.arange(a, min(a + n, extent)), st.integers(0, extent - 1), st.integers(1, extent)
    )
    return st.one_of(_slices(extent), _slices(extent), _integers(extent), lists, masks, runs)


def _along(axis: int, indexer: Any) -> tuple[Any, ...]:
    return (*[slice(None)] * axis, indexer)


@st.composite
def steps(draw: st.DrawFn, shape: tuple[int, ...]) -> Step:
    """One operation that numpy can do on an array of this shape."""
    ndim = len(shape)
    names = ["expand_dims", "broadcast_to", "index_new", "transpose", "ellipsis"]
    if ndim:
        names += ["index", "index", "index", "moveaxis", "take_all"]
    if 1 in shape:
        names.append("squeeze")
    name = draw(st.sampled_from(names))
    if name == "expand_dims":
        axis = draw(st.integers(-ndim - 1, ndim))
        return f"expand_dims({axis})", lambda a: np.expand_dims(a, axis)
    if name == "index_new":
        at = draw(st.integers(0, ndim))
        return f"[..., None at {at}]", lambda a: a[(*[slice(None)] * at, None)]
    if name == "broadcast_to":
        lead = draw(st.lists(st.integers(1, 3), max_size=1))
        wanted = (*lead, *[draw(st.integers(1, 3)) if n == 1 else n for n in shape])
        return f"broadcast_to({wanted})", lambda a: np.broadcast_to(a, wanted)
    if name == "transpose":
        axes = draw(st.permutations(range(ndim)))
        return f"transpose({axes})", lambda a: np.transpose(a, axes)
    if name == "moveaxis":
        old, new = draw(st.integers(-ndim, ndim - 1)), draw(st.integers(-ndim, ndim - 1))
        return f"moveaxis({old}, {new})", lambda a: np.moveaxis(a, old, new)
    if name == "squeeze":
        axis = draw(st.sampled_from([None, *[i for i, n in enumerate(shape) if n == 1]]))
        return f"squeeze({axis})", lambda a: np.squeeze(a, axis)
    if name == "ellipsis":
        return "[...]", lambda a: a[...]
    if name == "take_all":
        key = tuple(draw(_slices(n)) for n in shape)
        return f"{key}", lambda a: a[key]
    axis = draw(st.integers(0, ndim - 1))
    key = _along(axis, draw(_indexer(shape[axis])))
    return f"{key}", lambda a: a[key]


@st.composite
def joins(
    draw: st.DrawFn, values: Values, kind: Kind, source: Bytes, array: ManifestArray
) -> tuple[str, Any, Any]:
    """A concat or stack with one or two more arrays, virtual or in memory; gives both results' makers."""
    shape, chunks = values.shape, array.metadata.chunks
    if not shape or draw(st.booleans()):
        axis = draw(st.integers(-len(shape) - 1, len(shape)))
        other = draw(array_pairs(source=source, kind=kind, shape=shape, chunks=chunks))
        in_memory = draw(st.booleans())
        return (
            f"stack({axis})",
            lambda a: np.stack([a, other[1] if in_memory else other[0]], axis),
            lambda a: np.stack([a, other[1]], axis),
        )
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    at = axis % len(shape)
    virtual: list[Any] = []
    plain: list[Values] = []
    for _ in range(draw(st.integers(1, 2))):
        extent = draw(st.integers(1, 6))
        along = (
            chunks[at]
            if isinstance(chunks[at], int) and draw(st.booleans())
            else draw(st.integers(1, extent))
        )
        other_shape = (*shape[:at], extent, *shape[at + 1 :])
        other_chunks = (*chunks[:at], along, *chunks[at + 1 :])
        pair = draw(array_pairs(source=source, kind=kind, shape=other_shape, chunks=other_chunks))
        virtual.append(pair[1] if draw(st.integers(0, 3)) == 0 else pair[0])
        plain.append(pair[1])
    first = draw(st.booleans())
    return (
        f"concatenate({axis})",
        lambda a: np.concatenate([a, *virtual] if first else [*virtual, a], axis),
        lambda a: np.concatenate([a, *plain] if first else [*plain, a], axis),
    )


@settings(moderate, max_examples=150)
@given(st.data())
def test_any_sequence_of_operations_reads_as_numpy_or_is_refused_with_advice(data: st.DataObject) -> None:
    source = Bytes()
    kind = data.draw(kinds)
    array, values = data.draw(array_pairs(source=source, kind=kind))
    for _ in range(data.draw(st.integers(1, 5))):
        if data.draw(st.integers(0, 3)) == 0:
            label, on_virtual, on_values = data.draw(joins(values, kind, source, array))
        else:
            label, on_virtual = data.draw(steps(values.shape))
            on_values = on_virtual
        expected = np.asarray(on_values(values), dtype=values.dtype)
        try:
            result = on_virtual(array)
        except REFUSALS as error:
            assert_explains(error)
            event(f"refused: {label.partition('(')[0]}")
            continue
        if not isinstance(result, ManifestArray):
            # An array whose last chunk is partial, indexed with -1: what it is shows when it is used.
            with pytest.raises(VirtualArrayError, match="whole chunk"):
                np.asarray(result)
            continue
        array, values = result, expected
        assert (array.shape, array.dtype) == (values.shape, values.dtype.newbyteorder("="))
        if values.size > 3000:
            break
    assert_reads_as(array, values, source)


@settings(moderate, max_examples=60)
@given(st.data())
def test_slices_and_integers_of_uncompressed_chunks_are_never_refused(data: st.DataObject) -> None:
    source = Bytes()
    kind = Kind(data.draw(st.sampled_from([np.dtype("<i2"), np.dtype(">f8")])), RAW, 0)
    array, values = data.draw(array_pairs(source=source, kind=kind))
    key = tuple(data.draw(st.one_of(_slices(n), _integers(n))) for n in values.shape)
    assert_reads_as(array[key], values[key], source)


@settings(moderate, max_examples=60)
@given(st.data())
def test_whole_chunks_are_selected_in_any_order_whatever_the_codecs(data: st.DataObject) -> None:
    source = Bytes()
    kind = Kind(np.dtype("<i4"), data.draw(st.sampled_from(ENCODINGS)), 0)
    length, n_chunks, width = (
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(1, 5)),
    )
    array, values = data.draw(
        array_pairs(source=source, kind=kind, shape=(width, n_chunks * length), chunks=(2, length))
    )
    order = data.draw(st.lists(st.integers(0, n_chunks - 1), min_size=1, max_size=6))
    positions = np.concatenate([np.arange(i * length, (i + 1) * length) for i in order])
    assert_reads_as(array[:, positions], values[:, positions], source)


@settings(moderate, max_examples=60)
@given(st.data())
def test_chunk_aligned_pieces_joined_again_are_the_array(data: st.DataObject) -> None:
    source = Bytes()
    kind = data.draw(kinds)
    array, values = data.draw(array_pairs(source=source, kind=kind, shape=(data.draw(st.integers(1, 12)), 3)))
    bounds = array.chunk_grid.starts(0)
    inner = st.integers(0, len(bounds) - 1)
    cuts = sorted({0, len(bounds) - 1, *data.draw(st.lists(inner, max_size=3))})
    pieces = [array[bounds[a] : bounds[b]] for a, b in itertools.pairwise(cuts)]
    joined = np.concatenate(pieces)
    assert joined.identical(array)
    assert_same(read_array(joined, source.readable()), values)


@settings(moderate, max_examples=40)
@given(st.data())
def test_transposing_there_and_back_changes_nothing(data: st.DataObject) -> None:
    array, _ = data.draw(array_pairs(source=Bytes(), kind=data.draw(kinds)))
    axes = data.draw(st.permutations(range(array.ndim)))
    assert np.transpose(np.transpose(array, axes), np.argsort(axes).tolist()).identical(array)


@settings(moderate, max_examples=40)
@given(st.data())
def test_taking_twice_is_taking_once(data: st.DataObject) -> None:
    kind = Kind(np.dtype("<i2"), data.draw(st.sampled_from(ENCODINGS)), 0)
    array, _ = data.draw(array_pairs(source=Bytes(), kind=kind, shape=(8,), chunks=(1,)))
    first = np.array(data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=8)))
    second = np.array(data.draw(st.lists(st.integers(0, len(first) - 1), min_size=1, max_size=8)))
    assert array[first][second].identical(array[first[second]])


@settings(moderate, max_examples=40)
@given(st.data())
def test_an_axis_put_in_and_taken_out_changes_nothing(data: st.DataObject) -> None:
    array, _ = data.draw(array_pairs(source=Bytes(), kind=data.draw(kinds)))
    axis = data.draw(st.integers(0, array.ndim))
    assert np.squeeze(np.expand_dims(array, axis), axis).identical(array)


# -- where numpy raises ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a: a[7],
        lambda a: a[:, -5],
        lambda a: a[[0, 7]],
        lambda a: a[0, 0, 0],
        lambda a: a[np.array([True, False])],
        lambda a: np.transpose(a, [0, 0]),
        lambda a: np.transpose(a, [0]),
        lambda a: np.transpose(a, [0, 5]),
        lambda a: np.expand_dims(a, 4),
        lambda a: np.squeeze(a, 0),
        lambda a: np.squeeze(a, 7),
        lambda a: np.moveaxis(a, 0, 5),
        lambda a: np.broadcast_to(a, (6, 5)),
        lambda a: np.broadcast_to(a, (4,)),
        lambda a: np.concatenate([a, a], axis=2),
        lambda a: np.stack([a, a], axis=5),
        lambda a: np.concatenate([a, a[:, :2]], axis=0),
        lambda a: np.stack([a, a[:4]]),
    ],
)
def test_what_numpy_refuses_is_refused_with_an_error_of_the_same_kind(wrong: Callable[[Any], Any]) -> None:
    values = np.arange(24, dtype="<i4").reshape(6, 4)
    array = virtual_array(values, (2, 2), source=Bytes())
    with pytest.raises((IndexError, ValueError)) as by_numpy:
        wrong(values)
    kind = IndexError if isinstance(by_numpy.value, IndexError) else ValueError
    with pytest.raises(kind):
        wrong(array)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_arrays_of_different_kinds_are_not_joined(encoding: Any) -> None:
    source = Bytes()
    make = lambda dtype, **more: virtual_array(  # noqa: E731
        np.arange(4).astype(dtype), (2,), source=source, encoding=encoding, **more
    )
    short = make("<i2")
    for other, what in [
        (make("<i4"), "data types"),
        (make(">i2"), "codecs"),
        (make("<i2", fill_value=np.int16(3)), "fill values"),
    ]:
        with pytest.raises(IncompatibleArraysError, match=what) as refusal:
            np.concatenate([short, other])
        assert_explains(refusal.value)
    with pytest.raises(VirtualArrayError, match="float64"):
        np.concatenate([short, np.zeros(2)])
