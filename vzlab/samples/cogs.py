"""Satellite scenes as GeoTIFF with tiles and overviews, as cloud-optimized ones are read."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from vzlab.errors import MissingDependencyError
from vzlab.samples.archive import Archive

FIRST_DAY = date(2025, 5, 4)
REDUCED = 1  # TIFF 6.0, NewSubfileType: a reduced-resolution version of another image of the file


def make_cogs(folder: str | Path, *, n_files: int = 3, size: int = 512, tile: int = 128) -> Archive:
    """Write one band of a scene on several days, ten metres a pixel in UTM zone 32 north.

    Each file holds the scene in deflated tiles, and two overviews at half and at a quarter of its resolution. Each image follows
    its own directory, whereas a writer of cloud-optimized GeoTIFF puts all directories first.

    Parameters
    ----------
    folder : path
        Made if it is not there; files of the same names are replaced.
    n_files : int
        Number of days, five days apart.
    size, tile : int
        Pixels along each side of the scene and of a tile.

    Returns
    -------
    Archive

    Raises
    ------
    MissingDependencyError
        If tifffile is not installed.

    Examples
    --------
    >>> import vzlab as vz
    >>> [file.name for file in vz.samples.make_cogs("scenes").files][0]
    'T32UMD_20250504_B04.tif'
    """
    try:
        import tifffile
    except ImportError as error:
        raise MissingDependencyError(
            "tifffile", extra="tiff", purpose="Making sample GeoTIFF files"
        ) from error
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(n_files):
        day = FIRST_DAY + timedelta(days=5 * number)
        path = target / f"T32UMD_{day:%Y%m%d}_B04.tif"
        scene = _scene(size, number)
        with tifffile.TiffWriter(path, byteorder="<") as writer:
            for level in range(3):
                image = scene if level == 0 else _reduced(scene, 2**level)
                writer.write(
                    image,
                    tile=(tile, tile),
                    compression="zlib",
                    predictor=True,
                    photometric="minisblack",
                    subfiletype=0 if level == 0 else REDUCED,
                    extratags=_georeference(10.0) if level == 0 else (),
                    metadata=None,
                    software=False,
                )
        made = datetime.combine(day, time(), UTC).timestamp()
        os.utime(path, (made, made))
        files.append(path)
    return Archive(folder=target, files=tuple(files))


def _scene(size: int, number: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Reflectance times 10,000: fields, a river, and a cloud that moves; zero where nothing was seen."""
    rows, columns = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    fields = 400 + 90 * ((rows // 37 * 7 + columns // 53 * 3) % 11)
    river = np.abs(columns - size * (0.4 + 0.1 * np.sin(rows / size * 7))) < size / 60
    cloud = np.exp(-(((rows - 150) / 90) ** 2 + ((columns - 120 - 110 * number) / 120) ** 2))
    seen = columns + rows * 0.2 < size * 1.12
    return np.where(seen, np.where(river, 220, fields) + 5200 * cloud, 0).astype(np.uint16)


def _reduced(scene: np.ndarray[Any, Any], factor: int) -> np.ndarray[Any, Any]:
    size = scene.shape[0] // factor
    return scene.reshape(size, factor, size, factor).mean(axis=(1, 3)).astype(scene.dtype)


def _georeference(metres: float) -> tuple[tuple[int, int, int, Any, bool], ...]:
    """Tags of GeoTIFF 1.1: ModelPixelScale, ModelTiepoint, GeoKeyDirectory; and GDAL's for what stands for no data."""
    projected = ((1024, 1), (1025, 1), (3072, 32632))  # GTModelType, GTRasterType, ProjectedCRS: EPSG
    keys = (1, 1, 1, len(projected), *(part for key, value in projected for part in (key, 0, 1, value)))
    return (
        (33550, 12, 3, (metres, metres, 0.0), True),
        (33922, 12, 6, (0.0, 0.0, 0.0, 399960.0, 5600040.0, 0.0), True),
        (34735, 3, len(keys), keys, True),
        (42113, 2, 2, "0", True),
    )
