"""Arrays held against each other, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vzlab.testing.difference import compare_arrays


def nan_with_payload(payload: int) -> np.float64:
    return np.uint64(0x7FF8_0000_0000_0000 | payload).view(np.float64)


@given(
    hnp.arrays(
        st.sampled_from(["i1", "u2", "<i4", ">i8", "<f2", "<f4", ">f8", "c8", "?", "M8[s]", "S3", "U2"]),
        hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
    )
)
def test_an_array_does_not_differ_from_its_copy(values: np.ndarray) -> None:
    assert compare_arrays(values, values.copy()).n_differing == 0


@given(
    hnp.arrays(st.sampled_from(["i2", "u8", "f4", ">f8", "M8[ns]"]), st.just((3, 4)), elements=None),
    st.integers(0, 2),
    st.integers(0, 3),
)
def test_one_changed_element_is_found_where_it_is(values: np.ndarray, i: int, j: int) -> None:
    values = np.where(np.isnan(values), 0, values) if values.dtype.kind == "f" else values
    values[i, j] = np.array(1, "i8").astype(values.dtype)
    changed = values.copy()
    changed[i, j] = np.array(2, "i8").astype(values.dtype)
    difference = compare_arrays(changed, values)
    assert (difference.n_differing, difference.index) == (1, (i, j))


def test_nan_payloads_and_signed_zeros_are_told_apart_from_differences() -> None:
    a = np.array([1.0, nan_with_payload(1), 0.0, 5.0])
    b = np.array([1.0, nan_with_payload(2), -0.0, 5.0])
    difference = compare_arrays(a, b)
    assert (difference.n_differing, difference.n_nan_payloads, difference.n_signed_zeros) == (0, 1, 1)


def test_nan_against_a_number_is_a_difference_of_masks() -> None:
    difference = compare_arrays(np.array([np.nan, 1.0]), np.array([-999.0, 1.0]))
    assert (difference.n_differing, difference.n_masked) == (1, 1)
    assert (difference.virtual_value, difference.native_value) == ("nan", "-999.0")


def test_a_missing_time_against_a_time_is_a_difference_of_masks() -> None:
    a, b = np.array(["NaT", "2020-01-01"], "M8[ns]"), np.array(["2019-01-01", "2020-01-01"], "M8[ns]")
    assert compare_arrays(a, b).n_masked == 1


def test_times_in_other_units_are_the_same_instants() -> None:
    a = np.array(["2020-01-01T00:00:01"], "M8[s]")
    assert compare_arrays(a, a.astype("M8[ns]")).n_differing == 0
    assert compare_arrays(a, a.astype("M8[ns]") + np.timedelta64(1, "ns")).n_differing == 1


def test_floats_of_two_widths_are_equal_only_if_exactly_equal() -> None:
    assert compare_arrays(np.array([0.5], "f4"), np.array([0.5], "f8")).n_differing == 0
    assert compare_arrays(np.array([0.1], "f4"), np.array([0.1], "f8")).n_differing == 1


def test_large_unsigned_and_signed_integers_are_compared_exactly() -> None:
    big = np.array([2**63 + 1], "u8")
    assert compare_arrays(big, np.array([-(2**63) + 1], "i8")).n_differing == 1
    assert compare_arrays(big, np.array([float(2**63)])).n_differing == 1


def test_byte_order_is_not_a_difference() -> None:
    assert compare_arrays(np.array([1, 2], ">i4"), np.array([1, 2], "<i4")).n_differing == 0


def test_text_is_compared_without_trailing_nuls_whatever_holds_it() -> None:
    a = np.array([b"ab", "é".encode()], "S4")
    b = np.array(["ab", "é"], dtype=object)
    assert compare_arrays(a, b).n_differing == 0
    assert compare_arrays(a, np.array(["ab", "e"], np.dtypes.StringDType())).index == (1,)


def test_records_are_compared_field_by_field_and_padding_is_not() -> None:
    packed = np.array([(1, 2.0), (3, np.nan)], [("a", ">i2"), ("b", "<f4")])
    padded = np.zeros(2, np.dtype([("a", "<i2"), ("b", "<f4")], align=True))
    padded["a"], padded["b"] = packed["a"], packed["b"]
    assert compare_arrays(packed, padded).n_differing == 0
    padded["a"][1] = 9
    assert compare_arrays(packed, padded).index == (1,)


def test_records_in_records_are_compared() -> None:
    dtype = np.dtype([("inner", [("x", "i4"), ("y", "f8", (2,))])])
    a, b = np.zeros(3, dtype), np.zeros(3, dtype)
    assert compare_arrays(a, b).n_differing == 0
    b["inner"]["y"][2, 1] = 1
    assert compare_arrays(a, b).index == (2,)


def test_arrays_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        compare_arrays(np.zeros(3), np.zeros(4))
