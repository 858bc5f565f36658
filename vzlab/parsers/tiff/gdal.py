"""Pages that tifffile cannot decode, read by GDAL where rasterio is installed."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from vzlab.errors import UnvirtualizableError
from vzlab.storage import Source

MAX_FILE_BYTES = 1 << 30
"""A longer file is not handed to GDAL: it is read whole."""


def read_with_gdal(source: Source, number: int, why: str) -> np.ndarray[Any, Any]:
    """A page of the main chain as (band, y, x), or (y, x) where it has one band.

    Raises
    ------
    UnvirtualizableError
        If rasterio is not installed, or cannot read it either.
    """
    found = f"tifffile cannot read page {number} of {source.url}: {why}"
    if find_spec("rasterio") is None:
        raise UnvirtualizableError(f"{found}. GDAL may: install rasterio.")
    if source.size_bytes > MAX_FILE_BYTES:
        raise UnvirtualizableError(f"{found}. The file has more than {MAX_FILE_BYTES:,} bytes.")
    rasterio: Any = import_module("rasterio")
    held = rasterio.io.MemoryFile(source.read(0, source.size_bytes))
    with held, warnings.catch_warnings():
        # That it has no place on the ground is no matter here.
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            # GDAL's GTiff driver counts directories from 1.
            with rasterio.open(f"GTIFF_DIR:{number + 1}:{held.name}") as page:
                values = np.asarray(page.read())
        except rasterio.errors.RasterioError as error:
            raise UnvirtualizableError(f"{found}; nor can GDAL: {error}.") from error
    return values[0] if len(values) == 1 else values
