"""TIFF compressions by runs (NeXT, ThunderScan, SGILOG) against libtiff by GDAL: random codes, damaged ones too."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError

from tests.parsers.tiff_bytes import write_tiff
from vzlab.codecs.tiff_runs import NEXT, SGILOG, THUNDERSCAN
from vzlab.errors import CodecError
from vzlab.manifests import ManifestArray
from vzlab.parsers import TIFFParser
from vzlab.storage import as_registry, read_array

LOGL, LOGLUV = 32844, 32845

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

type Random = np.random.Generator


def next_row(columns: int, random: Random) -> bytes:
    """A row in one of the three forms."""
    row_bytes = -(-columns // 4)
    form = random.integers(3)
    if form == 0:
        return b"\0" + random.bytes(row_bytes)
    if form == 1:
        first = int(random.integers(row_bytes))
        n = int(random.integers(row_bytes - first + 1))
        return b"\x40" + struct.pack(">HH", first, n) + random.bytes(n)
    runs, left = b"", columns
    while left > 0:
        n = int(random.integers(1, 64))
        runs += bytes([int(random.integers(4)) << 6 | n])
        left -= n
    return runs


def thunder_row(columns: int, random: Random) -> bytes:
    """Codes of every kind until the row is full."""
    row, left = b"", columns
    while left > 0:
        kind, rest = int(random.integers(4)), int(random.integers(64))
        if kind == 0:
            rest = min(rest, left)
        row += bytes([kind << 6 | rest])
        if kind == 0:
            left -= rest
        elif kind == 3:
            left -= 1
        else:
            fields, skipped = (
                ((rest >> 4, rest >> 2 & 3, rest & 3), 2) if kind == 1 else ((rest >> 3, rest & 7), 4)
            )
            left -= sum(field != skipped for field in fields)
    return row


def log_row(n_planes: int) -> Callable[[int, Random], bytes]:
    """Runs and literal bytes of each plane."""

    def row(columns: int, random: Random) -> bytes:
        out = b""
        for _ in range(n_planes):
            left = columns
            while left > 0:
                if random.integers(2) and left >= 2:
                    n = int(random.integers(2, min(left, 129) + 1))
                    out += bytes([126 + n]) + random.bytes(1)
                else:
                    n = int(random.integers(1, min(left, 127) + 1))
                    out += bytes([n]) + random.bytes(n)
                left -= n
        return out

    return row


KINDS = {
    "next": (NEXT, {"bits": 2}, next_row),
    "thunderscan": (THUNDERSCAN, {"bits": 4}, thunder_row),
    "luminance": (SGILOG, {"bits": 16, "photometric": LOGL, "sample_format": 2}, log_row(2)),
    "colour": (SGILOG, {"bits": 16, "photometric": LOGLUV, "sample_format": 2, "n_samples": 3}, log_row(4)),
}


def written(path: Path, kind: str, *, columns: int, seed: int, fill_order: int = 1) -> None:
    """Twelve rows in strips of five, the last of two."""
    compression, options, row = KINDS[kind]
    random = np.random.default_rng(seed)
    strips = [b"".join(row(columns, random) for _ in range(n)) for n in (5, 5, 2)]
    if fill_order == 2:
        reversed_bits = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
        strips = [strip.translate(reversed_bits) for strip in strips]
    write_tiff(
        path, strips, shape=(12, columns), rows=5, compression=compression, fill_order=fill_order, **options
    )


def as_found(path: Path) -> NDArray[Any]:
    page = TIFFParser()(path)["0"]
    assert isinstance(page, ManifestArray)
    return read_array(page, as_registry(None))


def as_libtiff(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        values: NDArray[Any] = file.read()
    return values if len(values) > 1 else values[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", [1, 7, 64, 301])
@pytest.mark.parametrize("fill_order", [1, 2])
def test_random_codes_decode_as_libtiff_has_them(
    kind: str, columns: int, fill_order: int, tmp_path: Path
) -> None:
    path = tmp_path / "runs.tif"
    written(path, kind, columns=columns, seed=columns, fill_order=fill_order)
    found = as_found(path)
    expected = as_libtiff(path)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_codes_raise_or_decode_as_libtiff_has_them(kind: str, tmp_path: Path) -> None:
    path, damaged = tmp_path / "sound.tif", tmp_path / "damaged.tif"
    written(path, kind, columns=40, seed=3)
    sound = path.read_bytes()
    end = int.from_bytes(sound[4:8], "little")
    random = np.random.default_rng(5)
    n_refused = 0
    for _ in range(60):
        data = bytearray(sound)
        data[int(random.integers(8, end))] = int(random.integers(256))
        damaged.write_bytes(data)
        try:
            found = as_found(damaged)
        except CodecError:
            n_refused += 1
            continue
        try:
            expected = as_libtiff(damaged)
        except RasterioIOError:
            continue
        np.testing.assert_array_equal(found, expected)
    assert n_refused > 0


def test_bytes_that_end_early_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.tif"
    write_tiff(path, [b"\x05"], shape=(4, 9), rows=4, compression=THUNDERSCAN, bits=4)
    with pytest.raises(CodecError, match="end before all rows"):
        as_found(path)


def test_samples_of_other_sizes_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    write_tiff(
        path, [b"\x05"], shape=(1, 1), rows=1, compression=SGILOG, bits=32, photometric=LOGL, sample_format=3
    )
    assert "SGILOG (34676) holds 1 samples a pixel of 32 bits" in TIFFParser()(path).unreadable["0"].reason
