"""Datatypes: each reads as h5py reads it, or is told by name and can be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.parsers.reading import assert_same_as_h5py, assert_values_equal, parse, read
from vzlab.parsers import HDF5Parser

_h5t = h5py.h5t


def write_typed(path: Path, type_id: Any, values: Any, memory_type: Any = None, chunks: Any = None) -> None:
    """Write values as an HDF5 datatype that numpy has no name for."""
    values = np.asarray(values)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunks:
        creation.set_chunk(chunks)
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple(values.shape)
        dataset_id = h5py.h5d.create(file.id, b"x", type_id, space, creation)
        dataset_id.write(h5py.h5s.ALL, h5py.h5s.ALL, values, memory_type)


@pytest.mark.parametrize("chunks", [None, (3,)], ids=["contiguous", "chunked"])
@pytest.mark.parametrize(
    "dtype",
    [
        *("i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", ">i2", ">i8", ">u4"),
        *("<f2", "<f4", "<f8", ">f2", ">f8", "<c8", ">c16", "?"),
        "S1",
        "S5",
    ],
)
def test_fixed_size_types(tmp_path: Path, dtype: str, chunks: tuple[int, ...] | None) -> None:
    path = tmp_path / "typed.h5"
    values = np.array([0, 1, 2, 3, 100]).astype(dtype)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=chunks)
    array = assert_same_as_h5py(path)["x"]
    assert array.manifest.n_virtual == array.manifest.n_chunks


def test_enum_is_its_integer_and_keeps_its_names(tmp_path: Path) -> None:
    path = tmp_path / "enum.h5"
    with h5py.File(path, "w") as file:
        kind = h5py.enum_dtype({"clear": 0, "cloud": 3}, basetype=">i2")
        file.create_dataset("x", data=np.array([0, 3, 3]), dtype=kind)
    array = assert_same_as_h5py(path)["x"]
    assert array.metadata.data_type == "int16"
    assert array.metadata.attributes == {"enum": {"clear": 0, "cloud": 3}}


@pytest.mark.parametrize("chunks", [None, (2,)], ids=["contiguous", "chunked"])
@pytest.mark.parametrize(
    "dtype",
    [
        pytest.param(np.dtype([("a", "<i4"), ("b", "<f8")]), id="packed"),
        pytest.param(np.dtype([("a", "i1"), ("b", "<f8")], align=True), id="gaps"),
        pytest.param(np.dtype([("a", ">i2"), ("b", "<f8"), ("c", "?")]), id="mixed-byte-order"),
        pytest.param(np.dtype([("a", "<i4"), ("in", [("b", ">f4"), ("c", "<u2")])]), id="nested"),
        pytest.param(np.dtype([("name", "S6"), ("z", "<c8")]), id="text-and-complex"),
    ],
)
def test_compound_types(tmp_path: Path, dtype: np.dtype[Any], chunks: tuple[int, ...] | None) -> None:
    path = tmp_path / "compound.h5"
    values = np.zeros(5, dtype)
    values[dtype.names[0]] = [1, 2, 3, 4, 5]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=chunks, compression="gzip" if chunks else None)
    array = assert_same_as_h5py(path)["x"]
    assert array.manifest.n_virtual == array.manifest.n_chunks


def test_array_type_adds_its_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "array_type.h5"
    with h5py.File(path, "w") as file:
        for name, chunks in (("contiguous", None), ("chunked", (2,))):
            dataset = file.create_dataset(name, (5,), np.dtype(("<i4", (2, 3))), chunks=chunks)
            dataset[()] = np.arange(30).reshape(5, 2, 3)
    group = assert_same_as_h5py(path)
    assert group["chunked"].shape == (5, 2, 3)
    assert group["chunked"].metadata.chunks == (2, 2, 3)


def test_opaque_and_times(tmp_path: Path) -> None:
    path = tmp_path / "opaque.h5"
    times = np.array(["2020-01-01", "2021-06-01"], "<M8[s]")
    with h5py.File(path, "w") as file:
        file.create_dataset("times", data=times.astype(h5py.opaque_dtype(times.dtype)))
    write_typed(tmp_path / "v5.h5", _h5t.py_create(np.dtype("V5")), np.array([b"abcde", b"12345"], "V5"))
    group = parse(path)
    assert_values_equal(read(group["times"]), times)
    found = read(parse(tmp_path / "v5.h5")["x"])
    assert [item.tobytes() for item in found] == [b"abcde", b"12345"]


@pytest.mark.parametrize("order", [_h5t.ORDER_LE, _h5t.ORDER_BE], ids=["little", "big"])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_integers_that_use_some_of_their_bits(tmp_path: Path, signed: bool, order: int) -> None:
    path = tmp_path / "bits.h5"
    type_id = (_h5t.STD_I32LE if signed else _h5t.STD_U32LE).copy()
    type_id.set_order(order)
    type_id.set_precision(11)
    type_id.set_offset(5)
    values = np.array([0, 1, 700, 1023], "i4")
    write_typed(path, type_id, -values if signed else values, _h5t.NATIVE_INT32)
    array = assert_same_as_h5py(path)["x"]
    assert array.codecs[1]["name"] == "vzlab.bitfield"


def test_bitfield_is_an_unsigned_integer(tmp_path: Path) -> None:
    path = tmp_path / "bitfield.h5"
    write_typed(path, _h5t.STD_B16BE, np.array([1, 2, 65535], "u2"), _h5t.STD_B16LE)
    assert_same_as_h5py(path)


def bfloat16() -> Any:
    """A float of 16 bits with the exponent of one of 32."""
    type_id = _h5t.IEEE_F32LE.copy()
    type_id.set_fields(15, 7, 8, 0, 7)
    type_id.set_offset(0)
    type_id.set_precision(16)
    type_id.set_size(2)
    type_id.set_ebias(127)
    return type_id


def test_odd_floats_are_converted_by_the_library_and_held_inline(tmp_path: Path) -> None:
    path = tmp_path / "bfloat16.h5"
    write_typed(path, bfloat16(), np.array([1.5, -2, np.inf], "f4"), _h5t.NATIVE_FLOAT, chunks=(2,))
    array = assert_same_as_h5py(path)["x"]
    assert array.metadata.data_type == "float32"
    assert array.manifest.n_inline == 1


def test_conversions_too_large_to_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bfloat16.h5"
    write_typed(path, bfloat16(), np.ones(3, "f4"), _h5t.NATIVE_FLOAT)
    monkeypatch.setattr("vzlab.parsers.hdf5.inlining.MAX_INLINE_BYTES", 11)
    told = parse(path).unreadable["x"]
    assert "too many" in told.reason
    assert_values_equal(HDF5Parser().load(path, None, "x"), np.ones(3, "f4"))


@pytest.mark.parametrize(
    ("padding", "raw"),
    [(_h5t.STR_SPACEPAD, b"ab   c    "), (_h5t.STR_NULLTERM, b"ab\0xyc\0\0\0\0")],
    ids=["blanks", "rubbish-behind-the-terminator"],
)
def test_padding_of_fixed_strings_is_no_part_of_them(tmp_path: Path, padding: int, raw: bytes) -> None:
    path = tmp_path / "padded.h5"
    type_id = _h5t.C_S1.copy()
    type_id.set_size(5)
    type_id.set_strpad(padding)
    write_typed(path, type_id, np.frombuffer(raw, "S5"), type_id)
    array = assert_same_as_h5py(path)["x"]
    assert read(array).tolist() == [b"ab", b"c"]


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)], ids=str)
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_variable_length_strings_are_held_inline(
    tmp_path: Path, shape: tuple[int, ...], encoding: str
) -> None:
    path = tmp_path / "text.h5"
    words = np.array(["", "a", "Grüße" if encoding == "utf-8" else "hello", "z"], object)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "x", shape, h5py.string_dtype(encoding), chunks=shape if 3 in shape else None
        )
        if shape != (0,):
            dataset[()] = words[: int(np.prod(shape))].reshape(shape)
    array = assert_same_as_h5py(path)["x"]
    assert array.metadata.data_type == "string"
    assert [codec["name"] for codec in array.codecs] == ["vlen-utf8"]


def test_many_strings_go_into_several_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vzlab.parsers.hdf5.inlining._TEXT_CHUNK_ELEMENTS", 6)
    path = tmp_path / "text.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.array([[f"{i},{j}" for j in range(2)] for i in range(7)], object)
    array = assert_same_as_h5py(path)["x"]
    assert array.manifest.grid_shape == (3, 1)


def test_text_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "latin.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (2,), h5py.string_dtype("ascii"))
        dataset[:] = np.array([b"Gr\xfc\xdfe", b"b"], object)
    array = parse(path)["x"]
    assert array.metadata.data_type == "variable_length_bytes"
    assert read(array).tolist() == [b"Gr\xfc\xdfe", b"b"]


@pytest.mark.parametrize(
    ("dtype", "reason"),
    [
        pytest.param(h5py.vlen_dtype("i4"), "sequences of varying length", id="vlen"),
        pytest.param(h5py.regionref_dtype, "references to regions", id="region"),
        pytest.param(
            np.dtype([("t", h5py.string_dtype())]), "strings of varying length", id="text-in-record"
        ),
        pytest.param(
            np.dtype([("m", "f4", (2, 2))]), r"array \(2, 2\) of float32 \('m'\)", id="array-in-record"
        ),
        pytest.param(np.dtype("f16"), "float128", id="float128"),
    ],
)
def test_types_that_zarr_cannot_say_lose_only_their_variable(tmp_path: Path, dtype: Any, reason: str) -> None:
    import re

    path = tmp_path / "unsaid.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (3,), dtype).attrs["units"] = "m"
        file["fine"] = np.arange(3)
    group = parse(path)
    assert list(group.arrays) == ["fine"]
    told = group.unreadable["x"]
    assert re.search(reason, told.reason)
    assert (told.shape, told.loadable, told.attributes) == (
        (3,),
        reason != "references to regions",
        {"units": "m"},
    )
    assert told.dimension_names is not None


def test_references_to_objects_are_the_paths_of_what_they_point_to(tmp_path: Path) -> None:
    path = tmp_path / "references.h5"
    with h5py.File(path, "w") as file:
        group, x = file.create_group("g"), file.create_dataset("g/é", data=1)
        data = np.array([[group.ref, x.ref, h5py.Reference()], [file.ref, x.ref, group.ref]], h5py.ref_dtype)
        file.create_dataset("refs", data=data, chunks=(1, 2), compression="gzip")
        file["scalar"] = x.ref
        file.create_dataset("none", (0,), h5py.ref_dtype)
        many = [file.create_group(f"many/{i}").ref for i in range(1001)]
        file.create_dataset("too_many", data=many, dtype=h5py.ref_dtype)
    group = parse(path)
    assert read(group["refs"]).tolist() == [["/g", "/g/é", ""], ["/", "/g/é", "/g"]]
    assert read(group["scalar"]).item() == "/g/é"
    assert read(group["none"]).shape == (0,)
    told = group.unreadable["too_many"]
    assert "point to 1001 objects" in told.reason
    assert told.loadable
    assert HDF5Parser().load(path, None, "too_many")[1000] == "/many/1000"


def test_what_is_refused_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "load.h5"
    with h5py.File(path, "w") as file:
        ragged = file.create_dataset("g/ragged", (2,), h5py.vlen_dtype("i4"))
        ragged[0], ragged[1] = [1, 2, 3], [4]
        file["g"].create_dataset("refs", data=[ragged.ref, h5py.Reference()], dtype=h5py.ref_dtype)
        ragged.attrs["units"] = "1"
    parser = HDF5Parser()
    loaded = parser.load_variable(path, None, "g/ragged")
    assert [item.tolist() for item in loaded.values] == [[1, 2, 3], [4]]
    assert loaded.attributes == {"units": "1"}
    assert parser.load(path, None, "g/refs").tolist() == ["/g/ragged", None]
    with pytest.raises(KeyError, match="no dataset 'g/absent'"):
        parser.load(path, None, "g/absent")


def test_fill_values_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "fills.h5"
    record = np.array((3, 2.5), [("a", ">i2"), ("b", "<f8")])
    fills: dict[str, Any] = {
        "nan": np.float32(np.nan),
        "infinite": np.float64(-np.inf),
        "large": np.uint64(2**64 - 1),
        "complex": np.complex64(1 - 2j),
        "text": np.bytes_(b"ab"),
        "bool": np.bool_(True),
        "record": record,
        "big_endian": np.array(77, ">i4"),
    }
    with h5py.File(path, "w") as file:
        for name, fill in fills.items():
            file.create_dataset(name, (3,), fill.dtype, chunks=(2,), fillvalue=fill)
    assert_same_as_h5py(path)
