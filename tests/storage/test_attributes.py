"""CF attributes mean the same to xarray through the store as in the netCDF file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.storage import ManifestStore

N = 6
CASES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "plain": ("i2", [1, 2, 3, 4, 5, 6], {"units": "m", "long_name": "naïve"}),
    "packed": (
        "i2",
        [1, -32768, 3, 4, 5, 6],
        {"_FillValue": np.int16(-32768), "scale_factor": 0.01, "add_offset": 273.15},
    ),
    "scaled only": ("u2", [1, 65535, 3, 4, 5, 6], {"_FillValue": np.uint16(65535), "scale_factor": 0.5}),
    "offset only": ("i4", [1, 2, 3, 4, 5, 6], {"add_offset": 10.0}),
    "unsigned bytes": ("i1", [-1, -2, 3, 4, 5, 6], {"_FillValue": np.int8(-1), "_Unsigned": "true"}),
    "signed bytes": ("u1", [255, 254, 3, 4, 5, 6], {"_FillValue": np.uint8(255), "_Unsigned": "false"}),
    "largest u8": ("u8", [2**64 - 1, 1, 2, 3, 4, 5], {"_FillValue": np.uint64(2**64 - 1)}),
    "smallest i8": ("i8", [-(2**63), 1, 2, 3, 4, 5], {"_FillValue": np.int64(-(2**63))}),
    "missing_value": ("i4", [-999, 2, 3, 4, 5, 6], {"missing_value": np.int32(-999)}),
    "missing_value of another type": ("i2", [-999, 2, 3, 4, 5, 6], {"missing_value": -999.0}),
    "netCDF default": (
        "f4",
        [9.969209968386869e36, 2, 3, 4, 5, 6],
        {"_FillValue": np.float32(9.969209968386869e36)},
    ),
    "one third": ("f4", [np.float32(1 / 3), 2, 3, 4, 5, 6], {"_FillValue": np.float32(1 / 3)}),
    "NaN": ("f4", [np.nan, 2, 3, 4, 5, 6], {"_FillValue": np.float32(np.nan)}),
    "missing NaN": ("f8", [np.nan, 2, 3, 4, 5, 6], {"missing_value": np.nan}),
    "missing NaN and a fill": ("f8", [np.nan, 2, -1, 4, 5, 6], {"missing_value": np.nan, "_FillValue": -1.0}),
    "infinity": ("f8", [np.inf, -np.inf, 3, 4, 5, 6], {"_FillValue": np.inf}),
    "minus infinity": ("f4", [np.inf, -np.inf, 3, 4, 5, 6], {"_FillValue": np.float32(-np.inf)}),
    "both": (
        "f4",
        [1e20, 1e20, 3, 4, 5, 6],
        {"_FillValue": np.float32(1e20), "missing_value": np.float32(1e20)},
    ),
    "packed as unsigned": (
        "i2",
        [-1, -2, 3, 4, 5, 6],
        {"_Unsigned": "true", "scale_factor": 2.0, "_FillValue": np.int16(-1)},
    ),
    "time": (
        "i4",
        [0, 1, 2, 3, 4, -1],
        {"units": "days since 2000-01-01", "calendar": "standard", "_FillValue": np.int32(-1)},
    ),
    "time in double": (
        "f8",
        [0, 0.5, 2, 3, 4, np.nan],
        {"units": "hours since 2000-01-01", "_FillValue": np.nan},
    ),
    "odd calendar": (
        "i4",
        [0, 59, 60, 61, 62, 63],
        {"units": "days since 2000-01-01", "calendar": "360_day"},
    ),
    "duration": ("i4", [0, 1, 2, 3, 4, 5], {"units": "days", "dtype": "timedelta64[ns]"}),
    "arrays of numbers": (
        "f4",
        [1, 2, 3, 4, 5, 6],
        {"valid_range": np.array([0, 5], "f4"), "flag_values": np.array([1, 2], "i2")},
    ),
}


def _write(path: Path, dtype: str, values: list[Any], attributes: dict[str, Any]) -> None:
    attributes = dict(attributes)
    with netCDF4.Dataset(path, "w") as file:
        file.set_auto_maskandscale(False)
        file.createDimension("x", N)
        variable = file.createVariable(
            "v", dtype, ("x",), fill_value=attributes.pop("_FillValue", None), contiguous=True
        )
        variable.set_auto_maskandscale(False)
        variable[:] = np.array(values, dtype=dtype)
        variable.setncatts(attributes)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _store(path: Path, attributes: dict[str, Any]) -> ManifestStore:
    with h5py.File(path) as file:
        dataset = file["v"]
        metadata = ArrayMetadata.create(
            shape=dataset.shape,
            dtype=dataset.dtype,
            chunks=dataset.shape,
            codecs=[{"name": "bytes", "configuration": {"endian": "little"}}],
            attributes={name: _plain(value) for name, value in attributes.items()},
            dimension_names=["x"],
        )
        manifest = ChunkManifest.from_ranges(
            path.as_uri(), [dataset.id.get_offset()], [dataset.id.get_storage_size()]
        )
    return ManifestStore(ManifestGroup(arrays={"v": ManifestArray(metadata=metadata, manifest=manifest)}))


@pytest.mark.parametrize("case", list(CASES))
def test_xarray_decodes_the_store_as_it_decodes_the_file(tmp_path: Path, case: str) -> None:
    dtype, values, attributes = CASES[case]
    path = tmp_path / "x.nc"
    _write(path, dtype, values, attributes)
    store = _store(path, attributes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)  # of masks that the case is about
        with (
            xr.open_dataset(path, engine="netcdf4", decode_timedelta=True) as native,
            xr.open_zarr(store, chunks=None, decode_timedelta=True) as virtual,
        ):
            assert virtual["v"].dtype == native["v"].dtype
            np.testing.assert_array_equal(virtual["v"].values, native["v"].values)
            assert set(virtual["v"].attrs) == set(native["v"].attrs)
            for name, value in native["v"].attrs.items():
                np.testing.assert_array_equal(virtual["v"].attrs[name], value)
            for name in ("scale_factor", "add_offset", "units", "calendar", "_FillValue"):
                if case not in {"missing NaN", "signed bytes"} and name in native["v"].encoding:
                    np.testing.assert_array_equal(virtual["v"].encoding[name], native["v"].encoding[name])


@pytest.mark.parametrize(("dtype", "expected"), [("S1", b"axaxax"), ("S3", [b"a", b"x"] * 3)])
def test_a_fill_value_of_strings_does_not_stop_xarray(tmp_path: Path, dtype: str, expected: Any) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("v", data=np.array([b"a", b"x"] * 3, dtype))
    with xr.open_zarr(_store(path, {"_FillValue": "x", "units": "1"}), chunks=None) as virtual:
        assert virtual["v"].attrs == {"units": "1"}
        np.testing.assert_array_equal(virtual["v"].values, np.array(expected))
