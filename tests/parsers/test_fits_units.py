"""FITS units against astropy: images, scaling, offset integers, compressed tiles, tables, names, damage."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import vzlab as vz
from vzlab.errors import CorruptFileError, UnsupportedFormatError
from vzlab.manifests import ManifestGroup
from vzlab.parsers import FITSParser
from vzlab.storage import RequestLog, as_registry, read_array

RANDOM = np.random.default_rng(5)


def read(group: ManifestGroup, name: str) -> Any:
    """Stored values of one variable."""
    return read_array(group[name], as_registry(None))


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8", "u2", "u4", "u8", "i1"])
def test_images_read_as_astropy_reads_them(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    kind = np.dtype(dtype)
    limits = np.iinfo(kind) if kind.kind in "iu" else None
    values = (
        RANDOM.integers(limits.min, limits.max, (3, 20, 30), dtype=kind)
        if limits
        else RANDOM.normal(size=(3, 20, 30))
    )
    values = values.astype(kind)
    fits.PrimaryHDU(values).writeto(path)
    group = FITSParser()(path)
    assert group["PRIMARY"].dtype == kind
    np.testing.assert_array_equal(read(group, "PRIMARY"), values)
    assert group["PRIMARY"].metadata.dimension_names == ("z", "y", "x")


def test_a_plane_of_a_cube_is_one_read_and_long_rows_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "cube.fits"
    fits.PrimaryHDU(np.zeros((4, 600, 700), "f4")).writeto(path)
    assert FITSParser()(path)["PRIMARY"].metadata.chunks == (1, 600, 700)
    fits.PrimaryHDU(np.zeros((3000, 1500), "f4")).writeto(path, overwrite=True)
    chunks = FITSParser()(path)["PRIMARY"].metadata.chunks
    assert chunks == (600, 1500)


def test_scaling_and_blank_are_cf_attributes_that_xarray_applies(tmp_path: Path) -> None:
    path = tmp_path / "scaled.fits"
    hdu = fits.PrimaryHDU(np.array([[1, 2], [3, -99]], "i2"))
    hdu.header["BLANK"] = -99
    hdu.header["BUNIT"] = "Jy"
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 10.0
    hdu.writeto(path, output_verify="ignore")
    loaded = vz.open_virtual_dataset(path, loadable_variables=["PRIMARY"])["PRIMARY"]
    with fits.open(path) as file:
        np.testing.assert_allclose(loaded.values, file[0].data)
    assert loaded.attrs["units"] == "Jy"


def test_keywords_of_wcs_are_attributes(tmp_path: Path) -> None:
    path = tmp_path / "wcs.fits"
    hdu = fits.PrimaryHDU(np.zeros((5, 6), "f4"))
    hdu.header["CTYPE1"], hdu.header["CRVAL1"] = "RA---TAN", 12.5
    hdu.header["HISTORY"] = "made by hand"
    hdu.writeto(path)
    attributes = FITSParser()(path)["PRIMARY"].metadata.attributes
    assert (attributes["CTYPE1"], attributes["CRVAL1"], attributes["HISTORY"]) == (
        "RA---TAN",
        12.5,
        "made by hand",
    )
    assert "BITPIX" not in attributes


def test_names_are_extension_names_numbers_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "names.fits"
    image = np.zeros((5, 6), "f4")
    units = [
        fits.PrimaryHDU(),
        fits.ImageHDU(image, name="SCI"),
        fits.ImageHDU(image),
        fits.ImageHDU(image[:3], name="SCI"),
    ]
    fits.HDUList(units).writeto(path)
    dataset = vz.open_virtual_dataset(path)
    assert list(dataset.data_vars) == ["SCI", "2", "SCI#2"]
    assert [dataset[name].dims for name in dataset] == [("y", "x"), ("y", "x"), ("y_3", "x")]


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "u2"])
@pytest.mark.parametrize("shape", [(40, 60), (44, 65)], ids=["even", "uneven"])
def test_compressed_tiles_are_chunks(
    compression: str, dtype: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    if compression == "PLIO_1" and dtype == "u2":
        pytest.skip("astropy does not write unsigned integers by PLIO")
    path = tmp_path / "tiles.fits"
    values = RANDOM.integers(0, 200, shape).astype(dtype)
    unit = fits.CompImageHDU(values, compression_type=compression, tile_shape=(20, 20), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    group = FITSParser()(path)
    assert group["SCI"].manifest.n_virtual == group["SCI"].manifest.n_chunks > 1
    found = read(group, "SCI")
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, values)


def test_floats_compressed_without_loss_are_virtual(tmp_path: Path) -> None:
    path = tmp_path / "floats.fits"
    values = RANDOM.normal(size=(40, 60)).astype("f4")
    unit = fits.CompImageHDU(values, compression_type="GZIP_2", quantize_level=0, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    group = FITSParser()(path)
    if "SCI" in group.unreadable:
        assert "another column" in group.unreadable["SCI"].reason
    else:
        np.testing.assert_array_equal(read(group, "SCI"), values)


def test_quantised_floats_are_refused_and_load(tmp_path: Path) -> None:
    path = tmp_path / "quantised.fits"
    values = RANDOM.normal(size=(40, 60)).astype("f4")
    unit = fits.CompImageHDU(values, compression_type="RICE_1", quantize_level=16, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    assert "scale of its own" in FITSParser()(path).unreadable["SCI"].reason
    loaded = vz.open_virtual_dataset(path, loadable_variables=["SCI"])["SCI"]
    with fits.open(path) as file:
        np.testing.assert_array_equal(loaded.values, file["SCI"].data)


def table_of_everything() -> fits.BinTableHDU:
    columns = [
        fits.Column("count", "J", array=np.arange(50), null=-1, unit="adu"),
        fits.Column("flag", "L", array=np.arange(50) % 3 == 0),
        fits.Column("bits", "11X", array=RANDOM.integers(0, 2, (50, 11)).astype(bool)),
        fits.Column("text", "8A", array=[f"row {i}" for i in range(50)]),
        fits.Column("matrix", "6E", dim="(3,2)", array=RANDOM.normal(size=(50, 2, 3))),
        fits.Column("unsigned", "I", bzero=32768, array=np.arange(50, dtype="u2") + 40_000),
        fits.Column("scaled", "I", array=np.arange(50)),
        fits.Column("complex", "M", array=np.arange(50) * 1j),
        fits.Column("ragged", "PJ()", array=np.array([np.arange(i % 4) for i in range(50)], dtype=object)),
    ]
    unit = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    # astropy would scale what it writes: these become keywords in the bytes of the file.
    unit.header["XSCAL7"], unit.header["XZERO7"] = 0.5, 3.0
    return unit


def write_table(path: Path, first: fits.PrimaryHDU) -> None:
    """Write a file with that table behind a first unit."""
    fits.HDUList([first, table_of_everything()]).writeto(path)
    data = path.read_bytes().replace(b"XSCAL7", b"TSCAL7").replace(b"XZERO7", b"TZERO7")
    path.write_bytes(data)


def test_columns_of_a_table_are_variables_of_a_group(tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    write_table(path, fits.PrimaryHDU())
    group = FITSParser()(path)["EVENTS"]
    assert isinstance(group, ManifestGroup)
    with fits.open(path) as file:
        data = file["EVENTS"].data
        for name in ("count", "flag", "bits", "matrix", "unsigned", "complex"):
            np.testing.assert_array_equal(read(group, name), data[name])
        assert [text.decode() for text in read(group, "text")] == data["text"].tolist()
        tree = vz.open_virtual_datatree(path, loadable_variables=["scaled", "ragged"])
        np.testing.assert_allclose(tree["EVENTS/scaled"].values, data["scaled"])
        for found, expected in zip(tree["EVENTS/ragged"].values, data["ragged"], strict=True):
            np.testing.assert_array_equal(found, expected)
    assert group["matrix"].metadata.dimension_names == ("row", "matrix_0", "matrix_1")
    assert group["count"].metadata.attributes == {"_FillValue": -1, "units": "adu"}
    assert group.unreadable["ragged"].loadable


def test_text_tables_are_read_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ascii.fits"
    columns = [
        fits.Column("a", "I4", array=np.arange(20), ascii=True),
        fits.Column("b", "D25.17", array=np.linspace(0, 1, 20), ascii=True),
        fits.Column("c", "A5", array=[f"t{i}" for i in range(20)], ascii=True),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.TableHDU.from_columns(columns, name="T")]).writeto(path)
    group = FITSParser()(path)
    with fits.open(path) as file:
        for name in ("a", "b"):
            np.testing.assert_array_equal(read(group, f"T/{name}"), file["T"].data[name])


def test_blank_cells_of_text_tables_are_no_values(tmp_path: Path) -> None:
    path = tmp_path / "blank.fits"
    columns = [
        fits.Column("a", "I4", array=[11, 22], ascii=True),
        fits.Column("b", "F8.3", array=[1.5, 2.5], ascii=True),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.TableHDU.from_columns(columns, name="T")]).writeto(path)
    path.write_bytes(path.read_bytes().replace(b"  22", b"    ").replace(b"   2.500", b" " * 8))
    group = FITSParser()(path)
    with fits.open(path) as file:
        for name in ("a", "b"):
            np.testing.assert_array_equal(read(group, f"T/{name}"), file["T"].data[name])


def test_a_compressed_image_keeps_the_name_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "names.fits"
    unit = fits.CompImageHDU(RANDOM.integers(0, 9, (8, 8)).astype("i2"))
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    with fits.open(path, disable_image_compression=True) as file:
        table = file[1]
        table.header["EXTNAME"] = "COMPRESSED_IMAGE"
        table.header.append(("EXTNAME", "ccd00"))
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "twice.fits")
    assert list(FITSParser()(tmp_path / "twice.fits").arrays) == ["ccd00"]


def test_random_groups_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "groups.fits"
    data = fits.GroupData(np.zeros((10, 1, 2, 3), "f4"), parnames=["u"], pardata=[np.arange(10)], bitpix=-32)
    fits.GroupsHDU(data).writeto(path)
    reason = FITSParser()(path).unreadable["PRIMARY"].reason
    assert reason == "It holds random groups, which no chunk grid describes."


def test_a_file_in_gzip_is_read_through_one_chunk_a_variable(tmp_path: Path) -> None:
    path = tmp_path / "packed.fits.gz"
    values = RANDOM.integers(0, 100, (3, 20, 30)).astype("i2")
    plain = tmp_path / "plain.fits"
    write_table(plain, fits.PrimaryHDU(values))
    path.write_bytes(gzip.compress(plain.read_bytes()))
    group = vz.datasets.open_group(path)
    np.testing.assert_array_equal(read(group, "PRIMARY"), values)
    np.testing.assert_array_equal(read(group, "EVENTS/count"), np.arange(50))
    assert group["PRIMARY"].manifest.n_chunks == 1


def test_headers_of_a_remote_file_take_few_requests(http_server: Any, tmp_path: Path) -> None:
    units = [fits.PrimaryHDU(), *(fits.ImageHDU(np.zeros((500, 500), "f4"), name=f"E{i}") for i in range(3))]
    fits.HDUList(units).writeto(tmp_path / "four.fits")
    log = RequestLog()
    group = FITSParser()(http_server(tmp_path).url("four.fits"), as_registry(None).with_log(log))
    assert list(group.arrays) == ["E0", "E1", "E2"]
    assert len(log) <= 5
    assert log.total_bytes < 150_000


@pytest.mark.parametrize("damage", ["no end", "cut", "no fits", "huge", "negative", "garbage behind"])
def test_damaged_files_are_refused_by_name(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged.fits"
    fits.PrimaryHDU(np.zeros((50, 60), "f4")).writeto(path)
    data = path.read_bytes()
    match damage:
        case "no end":
            data = data.replace(b"END     ", b"ENT     ")
        case "cut":
            data = data[:5000]
        case "no fits":
            data = b"not FITS" + data
        case "huge":
            data = data.replace(b"NAXIS1  =                   60", b"NAXIS1  =         999999999999")
        case "negative":
            data = data.replace(b"NAXIS1  =                   60", b"NAXIS1  =                  -60")
        case _:
            data += bytes(range(256)) * 12
    path.write_bytes(data)
    kind = UnsupportedFormatError if damage == "no fits" else CorruptFileError
    with pytest.raises(kind, match=r"damaged\.fits"):
        FITSParser()(path)


READ = """
import sys, zarr, icechunk as ic
zarr.config.set({"array.rectilinear_chunks": True})
repo = ic.Repository.open(ic.local_filesystem_storage(sys.argv[1]),
    authorize_virtual_chunk_access={sys.argv[2]: ic.credentials.LocalFileSystemAccess})
print(int(zarr.open_group(repo.readonly_session("main").store, mode="r")["SCI"][...].astype("i8").sum()))
"""


def test_a_written_repository_opens_in_a_process_that_imports_no_vzlab(tmp_path: Path) -> None:
    values = RANDOM.integers(0, 200, (44, 65)).astype("u2")
    path = tmp_path / "tiles.fits"
    unit = fits.CompImageHDU(values, compression_type="RICE_1", tile_shape=(20, 20), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    target = tmp_path / "store"
    vz.open_virtual_dataset(path).vzlab.to_icechunk(str(target))
    done = subprocess.run(
        [sys.executable, "-c", READ, str(target), f"{tmp_path.as_uri()}/"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == int(values.astype("i8").sum())
