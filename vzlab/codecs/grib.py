"""One field of a GRIB message, decoded by eccodes: the message's bytes in, numbers out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vzlab.codecs._eccodes import eccodes
from vzlab.codecs.grib_checks import check_field
from vzlab.codecs.grib_sections import fields, header_only, single_field
from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError, UnsupportedCodecError

_MISSING = -1.7976931348623157e308
"""Stands for a missing value while eccodes decodes: the lowest double, which no packing of GRIB yields."""

_LOCK = (
    nullcontext()
    if "ECCODES_THREADS" in eccodes.codes_get_features(eccodes.CODES_FEATURES_ENABLED)
    else threading.Lock()
)
"""Held around eccodes where it was built without support for threads."""

_WHAT = ("values", "latitudes", "longitudes")


@contextmanager
def open_message(message: bytes) -> Iterator[int]:
    """An eccodes handle of one message, released at the end.

    Raises
    ------
    CodecError
        If eccodes does not take it.
    """
    with _LOCK:
        try:
            handle = eccodes.codes_new_from_message(message)
        except eccodes.CodesInternalError as error:
            raise CodecError(f"eccodes does not take these {len(message)} bytes as GRIB: {error}") from error
        try:
            yield handle
        finally:
            eccodes.codes_release(handle)


class Grib(ArchiveCodec):
    """Decode the last field in a GRIB message, or in the beginning of one that is cut behind a field.

    So one codec reads every field of a message that has several: a chunk goes from the message's first byte to the end of
    its field. Kerchunk's references name whole messages and mean their first field.

    Parameters
    ----------
    dtype : {"float64", "float32"}
        Of what comes out, little-endian. Missing values are NaN.
    what : {"values", "latitudes", "longitudes"}
        The values, in the order in which they are stored, or where they lie, in degrees.
    row_length : int, optional
        Every second row, of so many values, is stored backwards, and turned round.
    field : int
        Number of the field among those in the bytes; -1 is the last.
    """

    codec_id: ClassVar[str] = "vzlab.grib"

    def __init__(
        self, *, dtype: str = "float64", what: str = "values", row_length: int | None = None, field: int = -1
    ) -> None:
        if what not in _WHAT or dtype not in ("float32", "float64"):
            raise UnsupportedCodecError(
                f"{self.codec_id} has no what={what!r} as {dtype!r}; expected one of {', '.join(_WHAT)} as float32 or float64."
            )
        self.dtype = dtype
        self.what = what
        self.row_length = row_length
        self.field = field

    def _decode(self, stored: ByteArray) -> bytes:
        message = stored.tobytes()
        field = fields(message)[self.field]
        if self.what == "values":
            check_field(message, field)
            with open_message(single_field(message, field)) as handle:
                values = read_values(handle)
                _check_count(handle, values.size)
        else:
            with open_message(header_only(message, field)) as handle:
                values = read_doubles(handle, self.what)
        if self.row_length:
            rows = values.reshape(-1, self.row_length)
            rows[1::2] = rows[1::2, ::-1].copy()
        return values.astype(np.dtype(self.dtype).newbyteorder("<"), copy=False).tobytes()


def read_values(handle: Any) -> npt.NDArray[np.float64]:
    """Values of a message in the order in which they are stored, NaN where there is none."""
    eccodes.codes_set(handle, "missingValue", _MISSING)
    values = read_doubles(handle, "values")
    values[values == _MISSING] = np.nan
    return values


def _check_count(handle: Any, n_values: int) -> None:
    """Refuse another number of values than the grid has points; the second-order packings of edition 1 count by themselves."""
    if not eccodes.codes_get_string(handle, "packingType").startswith("grid_second_order"):
        return
    n_points = eccodes.codes_get_long(handle, "numberOfDataPoints")
    if n_values != n_points:
        raise CodecError(f"Section 4 has {n_values} values; the grid has {n_points} points.")


def read_doubles(handle: Any, key: str) -> npt.NDArray[np.float64]:
    """A key that has an array of numbers."""
    values: npt.NDArray[np.float64] = eccodes.codes_get_double_array(handle, key)
    return values
