"""Packing as Zarr codecs reads as xarray decodes it, by a reader that knows no attribute."""

from pathlib import Path

import icechunk
import numpy as np
import pytest
import zarr

import vzlab as vz
from tests.archives import write_daily_files
from tests.datasets.archives_that_differ import native
from tests.writers.stores import read_icechunk
from vzlab.datasets import dataset_to_group, manifest_array

pytest.importorskip("cast_value_rs")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dtype": ">i2"},
        {"dtype": "<i4"},
        {"fill_value": None},
        {"scale_factor": None},
        {"add_offset": None, "scale_factor": 0.5},
        {"fill_value": None, "attributes": {"missing_value": np.int16(5)}},
        {"chunks": (3, 7, 9)},
    ],
    ids=str,
)
def test_any_zarr_reader_gets_values(tmp_path: Path, changes: dict) -> None:
    files = write_daily_files(tmp_path, n_days=2, **changes)
    cube = vz.open_virtual_mfdataset(files, cf="codecs")
    with zarr.config.set({"array.rectilinear_chunks": True}):
        values = zarr.open_group(vz.ManifestStore(dataset_to_group(cube)), mode="r")["sst"][...]
    expected = native(files).sst
    assert values.dtype == expected.dtype
    np.testing.assert_allclose(values, expected, rtol=4e-7)
    assert not {"scale_factor", "add_offset", "_FillValue"} & set(cube.sst.attrs)
    assert cube.sst.attrs["units"] == "K"


def test_values_survive_icechunk(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    storage = icechunk.in_memory_storage()
    vz.open_virtual_mfdataset(files, cf="codecs").vzlab.to_icechunk(storage)
    np.testing.assert_allclose(read_icechunk(storage).sst, native(files).sst, rtol=4e-7)


def test_ranges_are_in_the_units_of_values(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2, attributes={"valid_range": np.array([-3000, 3000], "i2")})
    attributes = vz.open_virtual_mfdataset(files, cf="codecs").sst.attrs
    np.testing.assert_allclose(attributes["valid_range"], [243.15, 303.15])


def test_what_is_not_packed_stays_as_it_is(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    cube = vz.open_virtual_mfdataset(
        files, loadable_variables=[], concat_dim="time", combine="nested", cf="codecs"
    )
    kept = vz.open_virtual_mfdataset(files, loadable_variables=[], concat_dim="time", combine="nested")
    for name in ("time", "lat"):
        assert manifest_array(cube[name]).identical(manifest_array(kept[name]))
    with pytest.raises(ValueError, match="cf='both'"):
        vz.open_virtual_mfdataset(files, cf="both")
