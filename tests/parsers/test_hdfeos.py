"""Dimension names that HDF-EOS files state in their StructMetadata, beside values that never change by them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.parsers.reading import assert_same_as_h5py
from vzlab.manifests import ManifestGroup
from vzlab.parsers import HDF5Parser
from vzlab.parsers.hdfeos import field_dimensions, parse_structures

STRUCT_METADATA = """GROUP=SwathStructure
	GROUP=SWATH_1
		SwathName="Ozone"
		GROUP=Dimension
			OBJECT=Dimension_1
				DimensionName="nTimes"
				Size=4
			END_OBJECT=Dimension_1
			OBJECT=Dimension_2
				DimensionName="nLevels"
				Size=4
			END_OBJECT=Dimension_2
			OBJECT=Dimension_3
				DimensionName="Unlim"
				Size=-1
			END_OBJECT=Dimension_3
		END_GROUP=Dimension
		GROUP=GeoField
			OBJECT=GeoField_1
				GeoFieldName="Latitude"
				DataType=H5T_NATIVE_FLOAT
				DimList=("nTimes")
			END_OBJECT=GeoField_1
		END_GROUP=GeoField
		GROUP=DataField
			OBJECT=DataField_1
				DataFieldName="O3"
				DimList=("nTimes",
					"nLevels")
				MaxdimList=("Unlim","nLevels")
			END_OBJECT=DataField_1
			OBJECT=DataField_2
				DataFieldName="Wrong"
				DimList=("nLevels","nTimes")
			END_OBJECT=DataField_2
		END_GROUP=DataField
	END_GROUP=SWATH_1
END_GROUP=SwathStructure
GROUP=GridStructure
	GROUP=GRID_1
		GridName="Column"
		XDim=3
		YDim=2
		GROUP=DataField
			OBJECT=DataField_1
				DataFieldName="Total"
				DimList=("YDim","XDim")
			END_OBJECT=DataField_1
		END_GROUP=DataField
	END_GROUP=GRID_1
END_GROUP=GridStructure
END
"""


@pytest.fixture
def hdfeos5_without_scales(tmp_path: Path) -> Path:
    path = tmp_path / "swath.he5"
    with h5py.File(path, "w") as file:
        text = STRUCT_METADATA.encode()
        half = len(text) // 2
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(text[:half])
        file["HDFEOS INFORMATION/StructMetadata.1"] = np.bytes_(text[half:])
        swath = file.create_group("HDFEOS/SWATHS/Ozone")
        swath["Data Fields/O3"] = np.arange(16.0).reshape(4, 4)
        swath["Data Fields/Wrong"] = np.zeros((4, 5))
        swath["Geolocation Fields/Latitude"] = np.arange(4.0)
        file["HDFEOS/GRIDS/Column/Data Fields/Total"] = np.arange(6).reshape(2, 3)
        file["HDFEOS/GRIDS/Other/Data Fields/Total"] = np.arange(6).reshape(2, 3)
    return path


def names(group: ManifestGroup, path: str) -> tuple[str | None, ...] | None:
    return dict(group.walk_arrays())[path].metadata.dimension_names


def test_fields_have_the_names_that_are_stated(hdfeos5_without_scales: Path) -> None:
    group = assert_same_as_h5py(hdfeos5_without_scales)
    assert names(group, "HDFEOS/SWATHS/Ozone/Data Fields/O3") == ("nTimes", "nLevels")
    assert names(group, "HDFEOS/SWATHS/Ozone/Geolocation Fields/Latitude") == ("nTimes",)
    assert names(group, "HDFEOS/GRIDS/Column/Data Fields/Total") == ("YDim", "XDim")


def test_lengths_that_differ_or_another_structure_leave_names_made_up(hdfeos5_without_scales: Path) -> None:
    group = HDF5Parser()(hdfeos5_without_scales)
    for path in ("HDFEOS/SWATHS/Ozone/Data Fields/Wrong", "HDFEOS/GRIDS/Other/Data Fields/Total"):
        found = names(group, path)
        assert found is not None
        assert all(str(name).startswith("phony_dim_") for name in found)


def test_a_group_below_has_them_too(hdfeos5_without_scales: Path) -> None:
    group = HDF5Parser(group="HDFEOS/SWATHS/Ozone")(hdfeos5_without_scales)
    assert names(group, "Data Fields/O3") == ("nTimes", "nLevels")


def test_dimension_scales_go_before_what_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "scaled.he5"
    with h5py.File(path, "w") as file:
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(STRUCT_METADATA.encode())
        field = file.create_dataset("HDFEOS/GRIDS/Column/Data Fields/Total", data=np.zeros((2, 3)))
        file["lat"] = np.arange(2.0)
        file["lat"].make_scale("lat")
        field.dims[0].attach_scale(file["lat"])
    assert names(HDF5Parser()(path), "HDFEOS/GRIDS/Column/Data Fields/Total") == ("lat", "XDim")


def test_no_text_is_too_odd() -> None:
    assert parse_structures("") == []
    assert parse_structures('DimList=("a"\n' * 1000) == []
    (grid,) = parse_structures(
        'GridName="g"\nXDim=9999999999999999999999\nDimList=()\nDataFieldName="f"\nDimList=("a","a")'
    )
    assert field_dimensions([grid], "f", (2, 2)) is None
