"""Variables whose type Zarr cannot say: left out with a word, loaded by h5py when asked for, refused when written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from vzlab.errors import UnreadableVariableWarning, WriteError

RECORD = np.dtype([("at", "<f8", (2,)), ("n", "<i4")])
UNSAYABLE = ("long", "ragged", "records")


@pytest.fixture
def unsayable(tmp_path: Path) -> Path:
    """One variable of each kind, in a group, beside one that can be virtual."""
    path = tmp_path / "unsayable.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("g")
        group["fine"] = np.arange(4.0)
        ragged = group.create_dataset("ragged", (2,), h5py.vlen_dtype("i2"))
        ragged[0], ragged[1] = [1, 2, 3], []
        ragged.attrs["units"] = "m"
        group["records"] = np.array([([1, 2], 3), ([4, 5], 6), ([7, 8], 9)], RECORD)
        # Elements that are arrays add a dimension, which the file does not name.
        long = group.create_dataset("long", (2, 2), np.dtype(("<f16", (3,))))
        long[...] = np.full((2, 2, 3), np.longdouble("1.1"))
    return path


def _virtual(path: Path, **options: Any) -> xr.Dataset:
    return vz.open_virtual_dataset(path, group="g", **options)


def _lazy(path: Path, **options: Any) -> xr.Dataset:
    return xr.open_dataset(path, engine="vzlab", group="g", **options)


def _virtual_tree(path: Path, **options: Any) -> xr.Dataset:
    return vz.open_virtual_datatree(path, **options)["g"].to_dataset()


def _lazy_tree(path: Path, **options: Any) -> xr.Dataset:
    return xr.open_datatree(path, engine="vzlab", **options)["g"].to_dataset()


OPENERS = [_virtual, _lazy, _virtual_tree, _lazy_tree]


@pytest.mark.parametrize("open_it", OPENERS)
def test_they_are_left_out_with_the_words_that_load_them(
    open_it: Callable[..., xr.Dataset], unsayable: Path
) -> None:
    with pytest.warns(UnreadableVariableWarning, match=r"loadable_variables=\['long', 'ragged', 'records'\]"):
        assert set(open_it(unsayable).variables) == {"fine"}


@pytest.mark.parametrize("open_it", OPENERS)
def test_they_are_loaded_when_asked_for(open_it: Callable[..., xr.Dataset], unsayable: Path) -> None:
    found = open_it(unsayable, loadable_variables=UNSAYABLE)
    with h5py.File(unsayable) as file:
        for name in UNSAYABLE:
            assert found[name].dtype == file["g"][name][()].dtype
        assert [list(item) for item in found.ragged.values] == [list(item) for item in file["g/ragged"][()]]
        np.testing.assert_array_equal(found.records.values, file["g/records"][()])
        np.testing.assert_array_equal(found.long.values, file["g/long"][()])
    assert found.ragged.attrs == {"units": "m"}
    assert found.long.dims[2] == "long_dim_2"


@pytest.mark.parametrize("open_it", OPENERS)
def test_a_name_that_is_nowhere_is_refused(open_it: Callable[..., xr.Dataset], unsayable: Path) -> None:
    with pytest.raises(KeyError, match="loadable_variables names 'absent'"):
        open_it(unsayable, loadable_variables=["absent"])


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("ragged", "sequences of varying length"),
        ("records", r"records with members .*'at'"),
        ("long", "float128"),
    ],
)
def test_none_of_them_can_be_written(unsayable: Path, tmp_path: Path, name: str, what: str) -> None:
    others = [other for other in UNSAYABLE if other != name]
    found = vz.open_virtual_dataset(unsayable, group="g", loadable_variables=[name], drop_variables=others)
    refusal = f"'{name}' has elements that are {what}.*Drop it"
    with pytest.raises(WriteError, match=refusal):
        found.vzlab.to_icechunk(str(tmp_path / "store"))
    with pytest.raises(WriteError, match=refusal):
        found.vzlab.to_kerchunk(str(tmp_path / "refs.json"))
    left = found.drop_vars(name).vzlab.to_kerchunk(format="dict")
    assert "fine/.zarray" in left["refs"]


def test_inspecting_says_that_they_can_be_loaded(unsayable: Path) -> None:
    text = str(vz.inspect(unsayable))
    assert "loadable only" in text
    assert 'loadable_variables=["g/ragged"]' in text
