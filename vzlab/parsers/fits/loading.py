"""Values of one unit or column as astropy reads them, for what no reference can express."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from vzlab.errors import UnvirtualizableError
from vzlab.parsers.base import LoadedVariable
from vzlab.parsers.fits.attributes import read_attributes
from vzlab.parsers.fits.headers import BLOCK_BYTES, ByteSource, Unit
from vzlab.parsers.fits.library import fits

MAX_LOAD_BYTES = 4 << 30
"""A unit of more bytes is not loaded."""

_MINIMAL = fits.PrimaryHDU().header.tostring().encode()


def load_unit(source: ByteSource, unit: Unit, column: str, *, path: str, url: str) -> LoadedVariable:
    """Read one unit alone: its header and data are handed to astropy behind an empty primary one.

    Raises
    ------
    KeyError
        If the table has no such column.
    UnvirtualizableError
        If astropy cannot read it, or it is too large.
    """
    if unit.data_bytes > MAX_LOAD_BYTES:
        raise UnvirtualizableError(f"{path!r} of {url} has {unit.data_bytes} bytes, too many to load.")
    header = unit.header.tostring().encode("latin-1")
    data = source.read(unit.data_offset, unit.data_bytes)
    padded = header + data + bytes(-len(data) % BLOCK_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(io.BytesIO(padded if unit.number == 0 else _MINIMAL + padded)) as file:
                values: Any = file[-1].data
                if column:
                    values = values[column]
                values = _plain(values)
    except KeyError:
        raise
    except (ValueError, TypeError, OSError, IndexError, OverflowError, RuntimeError, AttributeError) as error:
        raise UnvirtualizableError(f"astropy cannot read {path!r} of {url}: {error}.") from error
    return LoadedVariable(values=values, attributes=read_attributes(unit.header), dimension_names=None)


def _plain(values: Any) -> Any:
    """An array of native byte order that no longer belongs to the file; arrays of any length as objects."""
    array = np.array(values)
    if array.dtype.kind == "O":
        plain = np.empty(array.shape, dtype=object)
        plain.reshape(-1)[:] = [
            np.array(item) if isinstance(item, np.ndarray) else item for item in array.reshape(-1)
        ]
        return plain
    return array.astype(array.dtype.newbyteorder("="))
