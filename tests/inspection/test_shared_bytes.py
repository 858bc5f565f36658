"""Bytes that several variables share count once, and what is inline is not said to lie in the file."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

import vzlab as vz


def test_columns_of_a_table_share_its_rows(tmp_path: Path) -> None:
    columns = [fits.Column(name, "E", array=np.arange(100, dtype=">f4")) for name in ("u", "v", "w")]
    path = tmp_path / "table.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    found = vz.inspect(path)
    text = " ".join(str(found).split())
    assert "1.2 kB of values, stored in 1.2 kB, which variables share; the rest of the file is 7.4 kB" in text
    strips = found["1/u"].byte_map
    assert strips is not None
    assert strips.own_bytes == 1200  # the rows
    assert strips.other_bytes <= 50  # the same rows, but for rounding


def test_text_of_varying_length_is_inline(tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    with h5py.File(path, "w") as file:
        file["t"] = ["word " * 200] * 20
        file["n"] = np.arange(3, dtype="i4")
    text = " ".join(str(vz.inspect(path)).split())
    assert re.search(r"12 B of values and text, stored in [\d.]+ kB, nearly all of it inline;", text), text
