"""TIFF pages that few writers make, beside tifffile and GDAL."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile

import vzlab as vz
from tests.parsers.tiff_bytes import write_tiff
from vzlab.errors import UnvirtualizableError
from vzlab.parsers import TIFFParser
from vzlab.storage import as_registry, read_array

RANDOM = np.random.default_rng(5)
_JPEG, _OLD_JPEG, _Y_CB_CR = 7, 6, 6


def test_offsets_may_be_single_bytes(tmp_path: Path) -> None:
    path = tmp_path / "small.tif"
    write_tiff(
        path,
        [b"abcd"],
        shape=(2, 2),
        rows=2,
        compression=1,
        bits=8,
        others=[(273, "B", [8]), (279, "B", [4])],
    )
    assert read_array(TIFFParser()(path)["0"], as_registry(None)).tobytes() == b"abcd"


def test_the_last_jpeg_strip_may_have_more_rows_than_the_image(tmp_path: Path) -> None:
    path = tmp_path / "rows.tif"
    image = RANDOM.integers(0, 255, (20, 24), "u1")
    strips = [imagecodecs.jpeg_encode(image[:16]), imagecodecs.jpeg_encode(image[16:])]
    write_tiff(path, strips, shape=(19, 24), rows=16, compression=_JPEG, bits=8)
    np.testing.assert_array_equal(
        read_array(TIFFParser()(path)["0"], as_registry(None)), tifffile.imread(path)
    )


def test_an_old_jpeg_page_that_is_one_whole_stream_is_virtual(tmp_path: Path) -> None:
    path = tmp_path / "old.tif"
    stream = imagecodecs.jpeg_encode(np.cumsum(RANDOM.integers(0, 3, (16, 24, 3), "u1"), axis=0, dtype="u1"))
    write_tiff(
        path,
        [stream],
        shape=(16, 24),
        rows=16,
        compression=_OLD_JPEG,
        bits=8,
        n_samples=3,
        photometric=_Y_CB_CR,
        others=[(513, "I", [8])],
    )
    expected = np.moveaxis(tifffile.imread(path), -1, 0)
    np.testing.assert_array_equal(read_array(TIFFParser()(path)["0"], as_registry(None)), expected)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_tifffile_cannot_decode_is_loaded_by_gdal(tmp_path: Path) -> None:
    path = tmp_path / "int24.tif"
    strips = [bytes(range(36))]
    write_tiff(path, strips, shape=(3, 4), rows=3, compression=1, bits=24, sample_format=2)
    group = TIFFParser()(path)
    assert group.unreadable["0"].loadable
    found = vz.open_virtual_dataset(path, loadable_variables=["0"])["0"]
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(found, file.read(1))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_predicted_lerc_on_which_readers_differ_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lerc.tif"
    image = RANDOM.integers(0, 9, (20, 24), "u1")
    tifffile.imwrite(path, image, compression="lerc", predictor=2)
    with rasterio.open(path) as file:
        assert (file.read(1) != tifffile.imread(path)).any()
    group = TIFFParser()(path)
    assert "predictor 2" in group.unreadable["0"].reason
    np.testing.assert_array_equal(TIFFParser().load(path, as_registry(None), "0"), image)


def test_what_neither_decodes_is_refused_with_both_reasons(tmp_path: Path) -> None:
    path = tmp_path / "unknown.tif"
    write_tiff(path, [bytes(12)], shape=(3, 4), rows=3, compression=60_000, bits=8)
    with pytest.raises(UnvirtualizableError, match=r"tifffile cannot read page 0 .* nor can GDAL"):
        TIFFParser().load(path, None, "0")
