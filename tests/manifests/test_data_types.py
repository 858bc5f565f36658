"""Data types and scalars that are worked out without zarr are what zarr makes of them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from zarr.dtype import parse_dtype

from vzlab.manifests.data_types import data_type_of, encode_fill_value, fill_scalar, native_dtype

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
REALS = ["float16", "float32", "float64"]
OTHERS = ["complex64", "complex128", "string"]
TYPES = ["bool", *INTEGERS, *REALS, *OTHERS]
NUMBERS = [0, 1, 127, True, 0.0, -0.0, 0.5, 1e-45, 65504.0, math.nan, math.inf, -math.inf]


def scalars(name: str) -> list[Any]:
    """Values that somebody may give as a fill value of a type, Python's and numpy's."""
    if name == "string":
        return ["", "a", "NaN"]
    kind = np.dtype(name).kind
    plain: list[Any] = NUMBERS
    if kind in "iu":
        plain = [0, 1, True, np.iinfo(name).min, np.iinfo(name).max]
    if kind == "b":
        plain = [False, True]
    own = [np.dtype(name).type(x) for x in plain]
    return [*plain, *own, *([np.float64(x) for x in plain] if kind == "f" else [])]


@pytest.mark.parametrize("name", TYPES)
def test_a_type_and_its_zero(name: str) -> None:
    theirs = parse_dtype(name, zarr_format=3)
    assert native_dtype(name) == theirs.to_native_dtype()
    document, zero = data_type_of(theirs.to_native_dtype())
    assert document == theirs.to_json(zarr_format=3)
    expected = theirs.to_json_scalar(theirs.default_scalar(), zarr_format=3)
    assert (zero, type(zero)) == (expected, type(expected))


@pytest.mark.parametrize("name", TYPES)
def test_scalars_there_and_back(name: str) -> None:
    theirs = parse_dtype(name, zarr_format=3)
    for value in scalars(name):
        encoded = encode_fill_value(name, value)
        expected = theirs.to_json_scalar(theirs.cast_scalar(value), zarr_format=3)
        assert (json.dumps(encoded), type(encoded)) == (json.dumps(expected), type(expected)), value
        back, their_back = fill_scalar(name, encoded), theirs.from_json_scalar(expected, zarr_format=3)
        assert type(back) is type(their_back)
        assert np.asarray(back).tobytes() == np.asarray(their_back).tobytes() or name == "string"
        assert back == their_back or back != back


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("float32", text) for text in ("0x7fc00001", "0x7f800000", "1.5", "Infinity", "-Infinity", "NaN")],
        *[("int16", value) for value in (2.0, "7", True)],
        *[("float64", value) for value in (3, True, 10**15)],
        ("bool", 1),
    ],
)
def test_every_json_form_that_zarr_reads(name: str, value: Any) -> None:
    found, expected = (
        fill_scalar(name, value),
        parse_dtype(name, zarr_format=3).from_json_scalar(value, zarr_format=3),
    )
    assert type(found) is type(expected)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [("int8", 300), ("int8", "x"), ("int16", 1.5), ("float32", "text"), ("float32", None)],
)
def test_what_zarr_refuses_is_refused_alike(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)) as theirs:
        parse_dtype(name, zarr_format=3).from_json_scalar(value, zarr_format=3)
    with pytest.raises(theirs.type):
        fill_scalar(name, value)
