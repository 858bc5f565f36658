"""Attributes: every type as a JSON-able Python value."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest

import vzlab as vz
from tests.parsers.reading import parse
from vzlab.errors import CorruptFileError
from vzlab.storage import ManifestStore


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(np.int8(-3), -3, id="integer"),
        pytest.param(np.uint64(2**64 - 1), 2**64 - 1, id="largest-integer"),
        pytest.param(np.float32(0.5), 0.5, id="float"),
        pytest.param(np.array([1, 2], ">i4"), [1, 2], id="big-endian-list"),
        pytest.param(np.array([7], "i4"), 7, id="list-of-one"),
        pytest.param(np.arange(4).reshape(2, 2), [[0, 1], [2, 3]], id="two-dimensional"),
        pytest.param(np.zeros((0,)), [], id="empty-list"),
        pytest.param("Grüße", "Grüße", id="utf8"),
        pytest.param(np.bytes_(b"fixed"), "fixed", id="fixed-text"),
        pytest.param(np.bytes_(b"\xb0C"), "°C", id="latin1"),
        pytest.param(["a", "bc"], ["a", "bc"], id="texts"),
        pytest.param(np.array([b"a", b"bc"]), ["a", "bc"], id="fixed-texts"),
        pytest.param(np.array(["one"], object), "one", id="one-text"),
        pytest.param("", "", id="empty-text"),
        pytest.param(np.bool_(True), True, id="bool"),
        pytest.param(1 - 2j, [1.0, -2.0], id="complex"),
        pytest.param(np.longdouble(1.5), 1.5, id="long-double"),
        pytest.param(np.array((1, 2.5), [("a", "i4"), ("b", "f8")]), {"a": 1, "b": 2.5}, id="record"),
        pytest.param(h5py.Empty("S1"), "", id="null-text"),
        pytest.param(h5py.Empty("f8"), [], id="null-number"),
        pytest.param(np.void(b"\x01\xff"), "01ff", id="opaque"),
    ],
)
def test_attribute_values(tmp_path: Path, value: Any, expected: Any) -> None:
    path = tmp_path / "attributes.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
        for item in (file, file["x"]):
            item.attrs["a"] = value
    group = parse(path)
    assert group.attributes == {"a": expected}
    assert group["x"].metadata.attributes == {"a": expected}
    assert type(group.attributes["a"]) is type(expected)
    json.dumps(group.attributes)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_floats_stay_floats_and_are_served_as_json(tmp_path: Path, value: float) -> None:
    path = tmp_path / "attributes.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1.0
        file["x"].attrs["a"] = value
    group = parse(path)
    np.testing.assert_equal(group["x"].metadata.attributes["a"], value)
    served = ManifestStore(group).get_sync("x/zarr.json")
    assert served is not None
    json.loads(served.to_bytes(), parse_constant=pytest.fail)


def test_enum_sequence_and_reference_attributes(tmp_path: Path) -> None:
    path = tmp_path / "attributes.h5"
    with h5py.File(path, "w") as file:
        file["g/x"] = 1
        file.attrs.create("enum", 3, dtype=h5py.enum_dtype({"cloud": 3}))
        file.attrs["reference"] = file["g/x"].ref
        file.attrs["nowhere"] = h5py.Reference()
        ragged = np.empty(2, object)
        ragged[:] = [np.array([1, 2], "i4"), np.array([3], "i4")]
        file.attrs.create("ragged", ragged, dtype=h5py.vlen_dtype("i4"))
    assert parse(path).attributes == {
        "enum": 3,
        "reference": "/g/x",
        "nowhere": None,
        "ragged": [[1, 2], [3]],
    }


def test_an_attribute_that_cannot_be_read_loses_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "attributes.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
        # A time: h5py has no data type for it.
        h5py.h5a.create(file["x"].id, b"a_time", h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR))
        file["x"].attrs["units"] = "m"
    assert parse(path)["x"].metadata.attributes == {"units": "m"}


def test_what_netcdf4_writes_for_itself_is_hidden(tmp_path: Path) -> None:
    path = tmp_path / "netcdf4.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF4_CLASSIC") as file:
        file.title = "t"
        file.createDimension("x", 3)
        file.createVariable("x", "f4", ("x",)).units = "m"
        file.createVariable("y", "f4", ("x",), fill_value=-1.0).flag = np.array([1, 2], "i2")
    group = parse(path)
    with netCDF4.Dataset(path) as file:
        assert group.attributes == file.__dict__
        for name in ("x", "y"):
            expected = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in file[name].__dict__.items()}
            assert group[name].metadata.attributes == expected
    assert group.format == "netCDF4 / HDF5"


def test_plain_hdf5_keeps_its_own_names(tmp_path: Path) -> None:
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
        file["x"].attrs["CLASS"] = "IMAGE"
        file["x"].attrs["NAME"] = "of the image"
    group = parse(path)
    assert group["x"].metadata.attributes == {"CLASS": "IMAGE", "NAME": "of the image"}
    assert group.format == "HDF5"


def with_broken_attribute(path: Path, place: str) -> Path:
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(5)
        file["other/y"] = np.arange(3)
        file[place].attrs["good"] = 7
        file[place].attrs["BROKEN"] = np.arange(3.0)
    stored = bytearray(path.read_bytes())
    # The version of its datatype, behind its name padded to eight bytes.
    stored[stored.index(b"BROKEN\0") + 8] ^= 0xFF
    path.write_bytes(stored)
    return path


@pytest.mark.parametrize(("place", "told"), [("other", "(attributes)"), ("x", "x (attributes)")])
def test_a_damaged_attribute_is_told_and_all_else_stays(place: str, told: str, tmp_path: Path) -> None:
    group = parse(with_broken_attribute(tmp_path / "damaged.h5", place))
    assert {name for name, _ in group.walk_arrays()} == {"x", "other/y"}
    of = group.groups["other"] if place == "other" else group
    assert list(of.unreadable) == [told]
    assert "version" in of.unreadable[told].reason
    attributes = of.attributes if place == "other" else group["x"].metadata.attributes
    assert attributes == {"good": 7}


def test_a_file_whose_own_attributes_are_damaged_is_opened_without_them_on_request(tmp_path: Path) -> None:
    path = with_broken_attribute(tmp_path / "damaged.h5", "/")
    with pytest.raises(CorruptFileError, match=r"damaged\.h5.*'/'.*version.*drop_variables"):
        parse(path)
    with pytest.raises(CorruptFileError, match="drop_variables"):
        vz.open_virtual_dataset(path)
    ds = vz.open_virtual_dataset(path, drop_variables=["(attributes)"])
    assert ds.attrs == {"good": 7}
    assert ds.vzlab.n_refs == 1
