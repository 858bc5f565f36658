"""GRIB messages made by eccodes, out of its samples."""

from __future__ import annotations

from typing import Any

import eccodes
import numpy as np

N_ROWS, N_COLUMNS = 5, 8


def make_message(
    sample: str = "regular_ll_pl_grib2", values: Any = None, bitmap: bool = False, **keys: Any
) -> bytes:
    """A message of a small regular grid; NaN is missing where there is a bitmap."""
    handle = eccodes.codes_grib_new_from_samples(sample)
    try:
        if sample.startswith("regular_ll"):
            grid = {"Ni": N_COLUMNS, "Nj": N_ROWS, "latitudeOfFirstGridPointInDegrees": 60}
            grid |= {"latitudeOfLastGridPointInDegrees": 40, "longitudeOfFirstGridPointInDegrees": 0}
            grid |= {"longitudeOfLastGridPointInDegrees": 35, "iDirectionIncrementInDegrees": 5}
            grid |= {"jDirectionIncrementInDegrees": 5}
            # Temperature: the sample of edition 1 has it at two metres.
            grid |= {"paramId": 130}
            for key, value in grid.items():
                eccodes.codes_set(handle, key, value)
        for key, value in keys.items():
            if key != "packingType":
                eccodes.codes_set(handle, key, value)
        if values is None and sample.startswith("regular_ll"):
            values = field_values()
        if values is not None:
            if bitmap:
                eccodes.codes_set(handle, "bitmapPresent", 1)
                eccodes.codes_set(handle, "missingValue", 9999)
                values = np.where(np.isnan(values), 9999, values)
            eccodes.codes_set_values(handle, np.asarray(values, np.float64).ravel())
        if "packingType" in keys:
            eccodes.codes_set(handle, "packingType", keys["packingType"])
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def field_values(seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers that differ from field to field."""
    return np.random.default_rng(seed).normal(280, 10, (N_ROWS, N_COLUMNS))


def decode(message: bytes) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What eccodes gives of a message, flat, missing values as NaN."""
    handle = eccodes.codes_new_from_message(message)
    try:
        eccodes.codes_set(handle, "missingValue", 1e34)
        values = eccodes.codes_get_double_array(handle, "values")
    finally:
        eccodes.codes_release(handle)
    return np.where(values == 1e34, np.nan, values)


def join_fields(messages: list[bytes]) -> bytes:
    """One message of edition 2 with the fields of several: sections 4 to 7 repeated behind the first's 1 and 3."""
    body = b"".join(
        (message[16:-4] if i == 0 else message[_section_start(message, 4) : -4])
        for i, message in enumerate(messages)
    )
    return messages[0][:8] + (16 + len(body) + 4).to_bytes(8, "big") + body + b"7777"


def _section_start(message: bytes, number: int) -> int:
    position = 16
    while message[position + 4] != number:
        position += int.from_bytes(message[position : position + 4], "big")
    return position
