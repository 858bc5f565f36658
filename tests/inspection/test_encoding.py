"""What stored numbers mean is told as xarray decodes them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from vzlab.inspection.encoding import describe_encoding


def describe(dtype: str, fill=None, **attributes):
    return describe_encoding(attributes, np.dtype(dtype), fill=fill)


def test_packing_is_told_as_a_formula_with_its_steps_and_its_range():
    found = describe("i2", scale_factor=0.01, add_offset=273.15, _FillValue=-32768, units="K")
    assert found.formula == "value = stored × 0.01 + 273.15"
    assert found.resolution == "0.01"
    # -32768 is missing, so the lowest value is that of -32767.
    assert found.value_range == ("-54.52", "600.82")
    assert found.missing == ("-32768",)
    assert found.units == "K"


@pytest.mark.parametrize(
    ("dtype", "attributes", "stored"),
    [
        ("i2", {"scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32768}, (-32767, 32767)),
        ("i1", {"scale_factor": 0.5, "_Unsigned": "true", "_FillValue": -1}, (0, -2)),
        ("u1", {"scale_factor": 2.0, "_FillValue": 255}, (0, 254)),
        ("i4", {"scale_factor": -0.1}, (-(2**31), 2**31 - 1)),
    ],
)
def test_the_range_is_what_xarray_decodes_the_extremes_to(dtype, attributes, stored):
    found = describe(dtype, **attributes)
    raw = xr.Variable("x", np.array(stored, dtype=dtype), attributes)
    decoded = sorted(xr.conventions.decode_cf_variable("v", raw).values.tolist())
    assert found.value_range is not None
    assert [float(end) for end in found.value_range] == pytest.approx(decoded, abs=1e-6)


@pytest.mark.parametrize(
    ("dtype", "attributes"),
    [
        ("i2", {"scale_factor": 0.01}),
        ("i2", {"_FillValue": -1}),
        ("i4", {"_FillValue": -1}),
        ("u1", {"missing_value": 7}),
        ("f4", {"_FillValue": -1.0}),
        ("f4", {"scale_factor": 0.5}),
        ("i8", {"scale_factor": 0.5, "add_offset": 1.0, "_FillValue": 0}),
        ("f8", {"scale_factor": 0.5}),
    ],
)
def test_the_decoded_data_type_is_the_one_that_xarray_gives(dtype, attributes):
    raw = xr.Variable("x", np.zeros(3, dtype=dtype), attributes)
    decoded = xr.conventions.decode_cf_variable("v", raw).dtype
    assert (describe(dtype, **attributes).decoded_dtype or dtype_name(dtype)) == decoded.name


def dtype_name(dtype: str) -> str:
    return np.dtype(dtype).name


@pytest.mark.parametrize(
    ("fill", "attributes", "relation", "meaning"),
    [
        (0, {"_FillValue": -32768, "scale_factor": 0.5, "add_offset": 1.0, "units": "K"}, "differ", "1 K"),
        (-32768, {"_FillValue": -32768}, "same", ""),
        (-1, {"missing_value": [-1, -2]}, "same", ""),
        (0, {}, "only fill", ""),
        (None, {"_FillValue": 3}, "none", ""),
    ],
)
def test_the_fill_value_is_held_against_the_missing_values(fill, attributes, relation, meaning):
    found = describe("i2", fill=fill, **attributes)
    assert (found.fill_relation, found.fill_meaning) == (relation, meaning)


def test_nan_is_the_same_missing_value_as_nan():
    assert describe("f4", fill=np.float32("nan"), _FillValue=math.nan).fill_relation == "same"


def test_a_float_is_told_with_the_digits_of_its_type():
    found = describe("f4", fill=np.float32(1e20), _FillValue=float(np.float32(1e20)))
    assert (found.fill, found.missing, found.fill_relation) == ("1e20", ("1e20",), "same")


def test_the_form_that_xarray_keeps_in_zarr_stores_is_understood(tmp_path):
    import json

    xr.Dataset({"a": ("x", np.array([1.5, np.nan]))}).to_zarr(
        tmp_path / "a.zarr", consolidated=False, zarr_format=3
    )
    attributes = json.loads((tmp_path / "a.zarr/a/zarr.json").read_text())["attributes"]
    assert isinstance(attributes["_FillValue"], str)
    assert describe("f8", **attributes).missing == ("NaN",)


def test_time_is_told_by_unit_reference_and_calendar():
    found = describe("i4", units="hours since 2024-01-01 00:00:00", calendar="noleap")
    assert (found.time_unit, found.time_reference, found.calendar) == (
        "hours",
        "2024-01-01 00:00:00",
        "noleap",
    )
    assert describe("i4", units="days since 1900-1-1").calendar == "standard"
    assert not describe("i4", units="days").is_time


def test_flags_are_told_with_their_meanings():
    found = describe("i1", flag_values=[0, 1, 2], flag_meanings="sea land ice")
    assert found.flags == (("0", "sea"), ("1", "land"), ("2", "ice"))


def test_flags_that_are_bits_are_told_as_masks():
    bits = describe("i1", flag_masks=[1, 2], flag_meanings="cloud ice")
    assert bits.flags == (("& 1", "cloud"), ("& 2", "ice"))
    both = describe("i1", flag_masks=[3, 3], flag_values=[1, 2], flag_meanings="low high")
    assert both.flags == (("& 3 = 1", "low"), ("& 3 = 2", "high"))


def test_what_belongs_to_a_variable_is_named():
    found = describe(
        "f4",
        bounds="time_bnds",
        grid_mapping="crs",
        coordinates="lat lon",
        cell_methods="time: mean",
        axis="T",
    )
    assert (found.bounds, found.grid_mapping, found.cell_methods, found.axis) == (
        "time_bnds",
        "crs",
        "time: mean",
        "T",
    )
    assert found.coordinates == ("lat", "lon")
    assert describe("i1", climatology="climate").bounds == "climate"


def test_attributes_of_any_type_are_survived():
    odd = {
        "units": ["a", "b"],
        "scale_factor": "x",
        "_FillValue": {"a": 1},
        "flag_values": None,
        "valid_range": 3,
    }
    found = describe("i2", **odd)
    assert found.units == ""
    assert found.formula == ""


def test_a_valid_range_of_unsigned_bits_is_told_unsigned():
    attributes = {"_Unsigned": "true", "valid_range": np.array([0, -6], "i2")}
    assert describe_encoding(attributes, np.dtype("i2")).valid_range == ("0", "65530")
    assert describe_encoding({"valid_range": [0, -6]}, np.dtype("i2")).valid_range == ("0", "-6")
