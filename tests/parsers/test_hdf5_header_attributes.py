"""Attributes decoded from the bytes of object headers, beside what the library gives for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.corpus import CorpusEntry, corpus_params
from tests.parsers.reading import parse
from vzlab.parsers.hdf5.header_attributes import HeapCollections, header_attributes
from vzlab.parsers.hdf5.messages import References
from vzlab.parsers.hdf5.object_header import FileBytes, messages
from vzlab.storage import as_registry

OLD, NEW = {"libver": "earliest"}, {"libver": "v110"}


def from_header(item: Any, path: Path) -> Mapping[str, Any]:
    file = FileBytes.of(item.file.id, as_registry(None).open(str(path)))
    address = h5py.h5o.get_info(item.id).addr
    return header_attributes(messages(file, address), HeapCollections(file=file)).values


def by_library(item: Any, name: str) -> Any:
    """An attribute's values without h5py's own conversion to text."""
    attribute = h5py.h5a.open(item.id, name.encode("utf-8", "surrogateescape"))
    values = np.zeros(attribute.shape, attribute.dtype)
    attribute.read(values)
    return values


def as_python(values: Any) -> Any:
    """An array as JSON has it; one element is no list."""
    if values.dtype.kind == "f":
        values = values.astype("f8")
    return _decoded(values.reshape(() if values.shape == (1,) else values.shape).tolist())


def _decoded(item: Any) -> Any:
    if isinstance(item, list):
        return [_decoded(one) for one in item]
    try:
        return item.decode() if isinstance(item, bytes) else item
    except UnicodeDecodeError:
        return item.decode("latin-1")


def assert_as_the_library(item: Any, path: Path) -> int:
    """Compare all that the header gave; returns how many those are."""
    found = from_header(item, path)
    assert found.keys() <= set(item.attrs)
    for name, value in found.items():
        expected = by_library(item, name)
        if isinstance(value, References):
            targets = [
                [h5py.h5o.get_info(item.file[r].id).addr for r in row if r] for row in expected.ravel()
            ]
            assert [list(row) for row in value.addresses] == targets, name
        else:
            # As text, so that NaN is NaN, zeros have their signs, and integers are no floats.
            assert repr(value) == repr(as_python(expected)), name
    return len(found)


PLAIN: dict[str, Any] = {
    "integer": np.int16(-3),
    "big-endian list": np.array([1, 2, 3], ">u4"),
    "floats": np.array([[0.5, np.nan], [np.inf, -0.0]]),
    "half": np.float16(1.5),
    "text": "Grüße",
    "texts": ["a", "", "bc" * 50],
    "fixed text": np.bytes_(b"fixed"),
    "fixed texts": np.array([b"a", b"bc", b""]),
}
LEFT_TO_THE_LIBRARY: dict[str, Any] = {
    "record": np.array((1, 2.5), [("a", "i4"), ("b", "f8")]),
    "bool": np.bool_(True),
    "null": h5py.Empty("f8"),
    "none": np.zeros(0),
    "lists": np.array([np.arange(2), np.arange(3)], object),
    "zero inside": np.bytes_(b"a\0b"),
}


@pytest.mark.parametrize("options", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize("name", [*PLAIN, *LEFT_TO_THE_LIBRARY])
def test_plain_values_come_from_the_header(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=512, **options) as file:
        if name == "lists":
            file.attrs.create(name, LEFT_TO_THE_LIBRARY[name], dtype=h5py.vlen_dtype("i8"))
        else:
            file.attrs[name] = (PLAIN | LEFT_TO_THE_LIBRARY)[name]
    with h5py.File(path) as file:
        assert assert_as_the_library(file, path) == int(name in PLAIN)


@pytest.mark.parametrize("padding", [h5py.h5t.STR_NULLTERM, h5py.h5t.STR_NULLPAD, h5py.h5t.STR_SPACEPAD])
@pytest.mark.parametrize("text", [b"abcd", b"ab", b"ab  ", b"a\0b", b"", b" "])
def test_every_padding_of_texts(tmp_path: Path, padding: int, text: bytes) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(4)
        kind.set_strpad(padding)
        attribute = h5py.h5a.create(file.id, b"a", kind, h5py.h5s.create(h5py.h5s.SCALAR))
        attribute.write(
            np.array(text.ljust(4, b" " if padding == h5py.h5t.STR_SPACEPAD else b"\0"), "S4"), kind
        )
    with h5py.File(path) as file:
        assert_as_the_library(file, path)


@pytest.mark.parametrize("options", [OLD, NEW], ids=["old", "new"])
def test_references_of_scales(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", **options) as file:
        file["data"] = np.zeros((3, 4))
        for name, size in (("height", 3), ("pressure", 3), ("lon", 4)):
            file[name] = np.arange(size)
            file[name].make_scale(name)
        file["data"].dims[0].attach_scale(file["height"])
        file["data"].dims[0].attach_scale(file["pressure"])
        file["data"].dims[1].attach_scale(file["lon"])
    with h5py.File(path) as file:
        found = from_header(file["data"], path)["DIMENSION_LIST"]
        assert isinstance(found, References)
        assert [len(row) for row in found.addresses] == [2, 1]
        assert_as_the_library(file["data"], path)


def test_many_attributes_are_in_a_heap_and_left_to_the_library(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", **NEW) as file:
        file.attrs.update({f"a{i:02}": i for i in range(60)})
    with h5py.File(path) as file:
        assert from_header(file, path) == {}
    assert parse(path).attributes == {f"a{i:02}": i for i in range(60)}


def test_what_is_not_yet_in_the_file_comes_from_who_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
        file["x"].attrs["a"] = 1
        file.flush()
        file["x"].attrs.modify("a", 2)
        assert parse(path)["x"].metadata.attributes == {"a": 2}


def test_a_heap_that_is_damaged_is_left_to_the_library(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["a"] = ["text"]
        file.attrs["b"] = 3
    data = path.read_bytes()
    assert data.count(b"GCOL") == 1
    path.write_bytes(data.replace(b"GCOL", b"LOST"))
    with h5py.File(path) as file:
        assert from_header(file, path).keys() == {"b"}
    assert parse(path).attributes == {"b": 3}


values = st.one_of(
    npst.arrays(
        st.one_of(npst.integer_dtypes(endianness="?"), npst.floating_dtypes(endianness="?")),
        npst.array_shapes(min_dims=0, max_dims=3, max_side=4),
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30),
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=9), min_size=1
    ),
    st.binary(min_size=1, max_size=9).map(np.bytes_),
)


@given(attributes=st.dictionaries(st.sampled_from("abcdefgh"), values), new=st.booleans())
def test_any_attributes(
    tmp_path_factory: pytest.TempPathFactory, attributes: dict[str, Any], new: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.h5"
    with h5py.File(path, "w", **(NEW if new else OLD)) as file:
        file["x"] = 0
        for name, value in attributes.items():
            file["x"].attrs[name] = value
    with h5py.File(path) as file:
        assert_as_the_library(file["x"], path)


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params(["hdf5", "netcdf4", "nwb"], with_values=True))
def test_attributes_of_real_files(entry: CorpusEntry) -> None:
    with h5py.File(entry.location) as file:
        items: list[Any] = [file]
        # What cannot be opened ends the visit.
        with suppress(RuntimeError, KeyError):
            file.visititems(lambda _, item: None if isinstance(item, h5py.Datatype) else items.append(item))
        for item in items[:300]:
            assert_as_the_library(item, entry.location)
