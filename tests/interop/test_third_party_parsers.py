"""Parsers that others wrote for VirtualiZarr serve here as ours do: checked against tifffile and eccodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

import vzlab as vz

WHERE = "is in the group third-party"
pytest.importorskip("virtualizarr", reason=f"VirtualiZarr {WHERE}")


def test_virtual_tiff(tmp_path: Path) -> None:
    virtual_tiff = pytest.importorskip("virtual_tiff", reason=f"virtual-tiff {WHERE}")
    tifffile = pytest.importorskip("tifffile")
    file = vz.samples.make_cogs(tmp_path).files[0]
    registry: Any = ObjectStoreRegistry({"file://": LocalStore()})
    group = vz.open_group(file, parser=virtual_tiff.VirtualTIFF(ifd=0), registry=registry)
    ours = vz.open_group(file)
    assert group["0"].manifest.n_virtual == 16
    array = zarr.open_array(vz.ManifestStore(group), path="0", mode="r", zarr_format=3)
    np.testing.assert_array_equal(array[...], tifffile.imread(file, key=0))
    same = next(array for array in ours.arrays.values() if array.shape == group["0"].shape)
    assert same.manifest.to_dict().keys() == group["0"].manifest.to_dict().keys()


def test_gribberish(tmp_path: Path) -> None:
    gribberish = pytest.importorskip("gribberish.virtualizarr", reason=f"gribberish {WHERE}")
    eccodes = pytest.importorskip("eccodes")
    file = vz.samples.make_forecast(tmp_path).files[0]
    registry: Any = ObjectStoreRegistry({"file://": LocalStore()})
    group = vz.open_group(file, parser=gribberish.GribberishParser(), registry=registry)
    decoded = [
        zarr.open_array(vz.ManifestStore(group), path=f"{path}/{name}", mode="r", zarr_format=3)[...]
        for path, below in group.walk()
        for name, array in below.arrays.items()
        if array.manifest.n_virtual and name not in {"latitude", "longitude"}
    ]
    with file.open("rb") as opened:
        messages = []
        while (handle := eccodes.codes_grib_new_from_file(opened)) is not None:
            shape = eccodes.codes_get(handle, "Nj"), eccodes.codes_get(handle, "Ni")
            messages.append(eccodes.codes_get_values(handle).reshape(shape))
            eccodes.codes_release(handle)
    fields = np.concatenate([values.reshape(-1, *values.shape[-2:]) for values in decoded])
    assert len(fields) == len(messages)
    for field in fields:
        assert any(np.allclose(field, message, rtol=1e-6) for message in messages)
