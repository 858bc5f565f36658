"""Bytes that several variables share count once, and what is inline is not said to lie in the file."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

import vzlab as vz
from tests.parsers.grib_messages import field_values, join_fields, make_message


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


def test_a_part_of_a_whole_file_in_gzip_is_not_larger_than_its_values(tmp_path: Path) -> None:
    units = [fits.PrimaryHDU(), *(fits.ImageHDU(np.random.default_rng(i).random((50, 50))) for i in range(3))]
    plain, path = tmp_path / "plain.fits", tmp_path / "packed.fits.gz"
    fits.HDUList(units).writeto(plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    found = vz.inspect(path)
    assert len(found.root.variables) == 3
    assert all(v.stored_bytes == path.stat().st_size for v in found.root.variables)
    assert not [f.text for f in found.findings if "larger" in f.text]


def test_fields_of_one_grib_message_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "fields.grib2"
    path.write_bytes(join_fields([make_message(values=field_values(i), level=100 + i) for i in range(4)]))
    (told,) = [f for f in vz.inspect(path).findings if "share bytes" in f.text]
    assert told.severity == "fact"
    assert "several fields" in told.consequence
