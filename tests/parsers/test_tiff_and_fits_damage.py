"""TIFF and FITS files with bytes changed or cut off: refused, or read as the format's own reader reads them."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from astropy.io import fits

from vzlab.errors import VzlabError
from vzlab.parsers import FITSParser, TIFFParser
from vzlab.storage import as_registry, read_array

MAX_BYTES = 1 << 24
"""A damaged header may declare an image of any size; larger ones are parsed and not read."""

N_DAMAGES = 60


def damaged(data: bytes, seed: int) -> bytes:
    """The file cut short, or with a few bytes changed, mostly in its header."""
    draw = random.Random(seed)
    if draw.random() < 0.25:
        return data[: draw.randrange(1, len(data))]
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(min(len(data), draw.choice([600, len(data)])))
        changed[at] = draw.choice([0, 255, draw.randrange(256), changed[at] ^ (1 << draw.randrange(8))])
    return bytes(changed)


def tiff_files(folder: Path) -> list[Path]:
    """Small files of different kinds."""
    values = np.arange(40 * 30, dtype="u2").reshape(40, 30)
    options: list[dict[str, Any]] = [
        {},
        {"compression": "lzw", "predictor": 2},
        {"compression": "zlib", "tile": (16, 16)},
        {"bigtiff": True, "byteorder": ">", "rowsperstrip": 7, "compression": "packbits"},
    ]
    for number, option in enumerate(options):
        tifffile.imwrite(folder / f"{number}.tif", values, **option)
    return sorted(folder.iterdir())


def fits_files(folder: Path) -> list[Path]:
    """Small files of different kinds."""
    values = np.arange(40 * 30, dtype="i2").reshape(40, 30)
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(50))], name="T")
    packed = fits.CompImageHDU(values, compression_type="RICE_1", name="SCI")
    fits.PrimaryHDU(values).writeto(folder / "0.fits")
    fits.HDUList([fits.PrimaryHDU(), table, packed]).writeto(folder / "1.fits")
    return sorted(folder.iterdir())


def values_of(parser: Any, path: Path) -> dict[str, Any]:
    """What is read of a file, or nothing where it is refused; anything but our own errors fails the test."""
    began = time.process_time()
    try:
        group = parser()(path)
    except VzlabError:
        return {}
    finally:
        assert time.process_time() - began < 5
    found = {}
    for name, array in group.walk_arrays():
        is_image = parser is FITSParser or "tiff_page" in array.metadata.attributes
        if is_image and array.nbytes <= MAX_BYTES:
            try:
                found[name] = read_array(array, as_registry(None))
            except VzlabError:
                continue
    return found


@pytest.mark.parametrize("number", range(4))
def test_damaged_tiff_files_never_read_wrong(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    data = tiff_files(folder)[number].read_bytes()
    path = tmp_path / "damaged.tif"
    for seed in range(N_DAMAGES):
        path.write_bytes(damaged(data, seed))
        for name, values in values_of(TIFFParser, path).items():
            try:
                expected = tifffile.imread(path, key=int(name))
            except (ValueError, RuntimeError, MemoryError, NotImplementedError):
                continue
            with tifffile.TiffFile(path) as file:
                page = file.pages[int(name)]
                if 0 in page.dataoffsets:
                    continue  # never written, which tifffile takes for the file's first bytes
                expected = np.moveaxis(expected, -1, 0) if page.axes == "YXS" else expected
            np.testing.assert_array_equal(values, expected, err_msg=f"seed {seed}")


@pytest.mark.parametrize("number", range(2))
@pytest.mark.filterwarnings("ignore")
def test_damaged_fits_files_never_crash_nor_hang(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    data = fits_files(folder)[number].read_bytes()
    path = tmp_path / "damaged.fits"
    n_read = 0
    for seed in range(N_DAMAGES):
        path.write_bytes(damaged(data, seed))
        n_read += bool(values_of(FITSParser, path))
    assert n_read
