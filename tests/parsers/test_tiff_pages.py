"""TIFF pages against tifffile: compressions, predictors, packing, planes, strips and tiles, sparse and sub directories."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
import xarray as xr
import zarr

import vzlab as vz
from vzlab.errors import CorruptFileError, UnsupportedFormatError
from vzlab.manifests import ManifestGroup
from vzlab.parsers import TIFFParser
from vzlab.storage import RequestLog, as_registry, read_array

RANDOM = np.random.default_rng(7)

GTIFF = {
    "driver": "GTiff",
    "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 4_000_000),
    "crs": "EPSG:32633",
}
"""What every file that GDAL writes here is given: it warns of files without a place."""

IN_ORDER_OF_THE_MACHINE = ("lerc", "jpeg2000", "png")
"""Compressions that know no byte order; tifffile does not write them into big-endian files."""


def samples(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Values that differ from pixel to pixel and still compress."""
    kind = np.dtype(dtype)
    values = np.cumsum(RANDOM.integers(0, 5, shape), axis=-1)
    return (values % 2).astype(bool) if kind.kind == "b" else values.astype(kind)


def as_tifffile_reads(path: Path) -> list[np.ndarray[Any, Any]]:
    """Every page, bands first."""
    with tifffile.TiffFile(path) as file:
        return [
            np.moveaxis(page.asarray(), -1, 0) if page.axes == "YXS" else page.asarray()
            for page in file.pages
        ]


def assert_pages_equal(path: Path) -> ManifestGroup:
    """Fail unless every page is virtual and reads as tifffile reads it."""
    group = TIFFParser()(path)
    for number, expected in enumerate(as_tifffile_reads(path)):
        array = group[str(number)]
        found = read_array(array, as_registry(None))
        assert found.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected)
    return group


@pytest.mark.parametrize("byteorder", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8", "u8", "c8", "f2"])
@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_plain_samples_need_no_codec_of_ours(byteorder: str, dtype: str, layout: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"tile": (16, 32)} if layout == "tiles" else {"rowsperstrip": 7}
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, samples((45, 70), dtype), byteorder=byteorder, **options)
    group = assert_pages_equal(path)
    assert [codec["name"] for codec in group["0"].codecs] == ["bytes"]


@pytest.mark.parametrize("byteorder", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(
    ("compression", "dtype"),
    [
        ("lzw", "u2"),
        ("zlib", "i4"),
        ("zstd", "f4"),
        ("packbits", "u1"),
        ("lzma", "f8"),
        ("lerc", "f4"),
        ("jpeg2000", "u2"),
        ("webp", "u1"),
        ("png", "u2"),
    ],
)
@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_each_compression_decodes(
    byteorder: str, compression: str, dtype: str, layout: str, tmp_path: Path
) -> None:
    if byteorder == ">" and compression in IN_ORDER_OF_THE_MACHINE:
        pytest.skip("tifffile writes this compression in the order of the machine only")
    options: dict[str, Any] = {"tile": (16, 32)} if layout == "tiles" else {"rowsperstrip": 16}
    shape = (45, 70, 3) if compression == "webp" else (45, 70)
    photometric = "rgb" if compression == "webp" else "minisblack"
    path = tmp_path / "packed.tif"
    tifffile.imwrite(
        path,
        samples(shape, dtype),
        byteorder=byteorder,
        compression=compression,
        photometric=photometric,
        **options,
    )
    assert_pages_equal(path)


@pytest.mark.parametrize("byteorder", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(
    ("predictor", "dtype"), [(2, "u1"), (2, "i2"), (2, "u4"), (2, "u8"), (3, "f2"), (3, "f4"), (3, "f8")]
)
@pytest.mark.parametrize("shape", [(45, 70), (45, 70, 3)], ids=["one-band", "three-bands"])
def test_predictors_are_undone_in_the_byte_order_of_the_file(
    byteorder: str, predictor: int, dtype: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "predicted.tif"
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(
        path,
        samples(shape, dtype),
        byteorder=byteorder,
        compression="zlib",
        predictor=predictor,
        rowsperstrip=16,
        photometric=photometric,
    )
    assert_pages_equal(path)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_bands_come_first_however_they_are_stored(
    planarconfig: str, compression: str | None, layout: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"tile": (16, 16)} if layout == "tiles" else {"rowsperstrip": 10}
    values = samples((45, 40, 3), "u2")
    path = tmp_path / "bands.tif"
    tifffile.imwrite(
        path,
        values if planarconfig == "contig" else np.moveaxis(values, -1, 0),
        photometric="rgb",
        planarconfig=planarconfig,
        compression=compression,
        **options,
    )
    group = assert_pages_equal(path)
    assert group["0"].shape == (3, 45, 40)
    assert group["0"].metadata.dimension_names == ("band", "y", "x")


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)], ids=["full", "subsampled"])
@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_jpeg_is_decoded_to_rgb(subsampling: tuple[int, int], layout: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"tile": (32, 32)} if layout == "tiles" else {"rowsperstrip": 16}
    path = tmp_path / "photo.tif"
    tifffile.imwrite(
        path,
        samples((40, 64, 3), "u1"),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"outcolorspace": "ycbcr"},
        subsampling=subsampling,
        **options,
    )
    assert_pages_equal(path)


@pytest.mark.parametrize("options", [{"nbits": "1"}, {"nbits": "4"}, {"nbits": "12"}], ids=["1", "4", "12"])
@pytest.mark.parametrize("compress", ["NONE", "DEFLATE"])
def test_samples_of_few_bits_are_unpacked(options: dict[str, str], compress: str, tmp_path: Path) -> None:
    path = tmp_path / "packed.tif"
    bits = int(options["nbits"])
    values = RANDOM.integers(0, 1 << bits, (1, 33, 21)).astype("u2" if bits > 8 else "u1")
    profile = GTIFF | {"height": 33, "width": 21, "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, compress=compress, **options) as file:
        file.write(values)
    group = assert_pages_equal(path)
    np.testing.assert_array_equal(read_array(group["0"], as_registry(None)), values[0])


@pytest.mark.parametrize(
    "compress", ["LERC_DEFLATE", "LERC_ZSTD", "CCITTFAX4", "CCITTFAX3", "CCITTRLE", "JXL", "LZMA"]
)
def test_what_gdal_writes_decodes(compress: str, tmp_path: Path) -> None:
    path = tmp_path / "gdal.tif"
    values = samples((1, 64, 80), "u1")
    options = {"nbits": "1"} if compress.startswith("CCITT") else {}
    if options:
        values %= 2
    profile = GTIFF | {"height": 64, "width": 80, "count": 1, "dtype": "uint8"}
    try:
        with rasterio.open(path, "w", **profile, compress=compress, **options) as file:
            file.write(values)
    except rasterio.errors.RasterioError:
        pytest.skip(f"this GDAL does not write {compress}")
    group = TIFFParser()(path)
    np.testing.assert_array_equal(read_array(group["0"], as_registry(None)), values[0])


def test_the_float_predictor_of_integers_by_bits_is_as_in_gdal(tmp_path: Path) -> None:
    path = tmp_path / "float2.tif"
    values = RANDOM.normal(size=(1, 64, 80)).astype("f4")
    profile = GTIFF | {"height": 64, "width": 80, "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", **profile, compress="DEFLATE", predictor=2) as file:
        file.write(values)
    np.testing.assert_array_equal(read_array(TIFFParser()(path)["0"], as_registry(None)), values[0])


def test_sparse_tiles_are_missing_chunks_that_read_as_nodata(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    profile = GTIFF | {"height": 64, "width": 64, "count": 1, "dtype": "int16", "nodata": -9999}
    with rasterio.open(
        path, "w", **profile, tiled=True, blockxsize=16, blockysize=16, SPARSE_OK="TRUE"
    ) as file:
        file.write(np.full((1, 16, 16), 5, "i2"), window=rasterio.windows.Window(16, 16, 16, 16))
    array = TIFFParser()(path)["0"]
    assert (array.manifest.n_missing, array.manifest.n_virtual) == (15, 1)
    assert array.metadata.attributes["_FillValue"] == -9999
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(read_array(array, as_registry(None)), file.read(1))


def test_overviews_are_levels_and_masks_stand_beside_what_they_mask(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    profile = GTIFF | {"height": 128, "width": 128, "count": 3, "dtype": "uint8"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with rasterio.open(path, "w", **profile, photometric="rgb", compress="deflate") as file:
            file.write(samples((3, 128, 128), "u1"))
            file.write_mask(np.tri(128, dtype="u1") * 255)
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4])
    tree = vz.open_virtual_datatree(path)
    assert set(tree.children) == {"overview_1", "overview_2"}
    assert tree["overview_2"]["0"].sizes == {"band": 3, "y_overview_2": 32, "x_overview_2": 32}
    assert tree["overview_2"]["1"].sizes == {"y_overview_2": 32, "x_overview_2": 32}
    assert tree["1"].attrs["long_name"] == "mask of page 0"
    with tifffile.TiffFile(path) as file:
        group = TIFFParser()(path)
        pages = [array for _, array in group.walk_arrays() if "tiff_page" in array.metadata.attributes]
        assert len(pages) == len(file.pages)
        for array in pages:
            page = file.pages[array.metadata.attributes["tiff_page"]]
            expected = page.asarray()
            expected = np.moveaxis(expected, -1, 0) if expected.ndim == 3 else expected
            np.testing.assert_array_equal(read_array(array, as_registry(None)), expected)


def test_reduced_images_in_sub_directories_are_levels_too(tmp_path: Path) -> None:
    path = tmp_path / "subifds.ome.tif"
    values = samples((64, 64), "u2")
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(values, subifds=1, tile=(16, 16))
        file.write(values[::2, ::2], subfiletype=1, tile=(16, 16))
    group = TIFFParser()(path)
    np.testing.assert_array_equal(read_array(group["overview_1/0"], as_registry(None)), values[::2, ::2])
    assert group.format.endswith("BigTIFF")


def test_pages_of_other_sizes_have_dimensions_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(samples((20, 30), "u1"))
        file.write(samples((10, 30), "u1"))
        file.write(samples((20, 30), "u1"))
    dataset = vz.open_virtual_dataset(path)
    assert [dataset[name].dims for name in ("0", "1", "2")] == [("y", "x"), ("y_1", "x_1"), ("y", "x")]


def test_a_palette_and_texts_are_attributes(tmp_path: Path) -> None:
    path = tmp_path / "palette.tif"
    colors = np.arange(768, dtype="u2").reshape(3, 256)
    tifffile.imwrite(
        path,
        samples((20, 30), "u1"),
        photometric="palette",
        colormap=colors,
        description="a map",
        software="by hand",
    )
    group = TIFFParser()(path)
    assert group.attributes["description"] == "a map"
    assert group["0"].metadata.attributes["palette"] == colors.T.tolist()
    assert group["0"].metadata.attributes["photometric"] == "palette"


def test_an_unknown_compression_is_refused_by_name_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(samples((20, 30), "u1"))
        file.write(samples((20, 30), "u1"), extratags=[])
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        at = file.pages[1].tags["Compression"].valueoffset
    data[at : at + 2] = (6).to_bytes(2, "little")
    path.write_bytes(data)
    group = TIFFParser()(path)
    assert list(group.arrays) == ["0"]
    assert group.unreadable["1"].reason == "Nothing here decodes its compression, OJPEG (6)."


def test_metadata_of_a_remote_file_take_few_requests(http_server: Any, tmp_path: Path) -> None:
    path = tmp_path / "big.tif"
    tifffile.imwrite(path, samples((2048, 2048), "u2"), tile=(128, 128), compression="zlib")
    log = RequestLog()
    server = http_server(tmp_path)
    group = TIFFParser()(server.url("big.tif"), as_registry(None).with_log(log))
    assert group["0"].manifest.n_virtual == 256
    assert len(log) <= 2
    assert log.total_bytes <= 2 * 65_536


@pytest.mark.parametrize("damage", ["empty chain", "ring", "no tiff", "cut"])
def test_damaged_files_are_refused_by_name(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged.tif"
    tifffile.imwrite(path, samples((20, 30), "u1"))
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        next_at = page.offset + 2 + 12 * len(page.tags)
    if damage == "empty chain":
        data[4:8] = bytes(4)
    elif damage == "ring":
        data[next_at : next_at + 4] = page.offset.to_bytes(4, "little")
    elif damage == "no tiff":
        data[:4] = b"PK\x03\x04"
    else:
        del data[-100:]
    path.write_bytes(data)
    kind = UnsupportedFormatError if damage == "no tiff" else CorruptFileError
    with pytest.raises(kind, match=r"damaged\.tif"):
        TIFFParser()(path)


READ = """
import sys, zarr, icechunk as ic
repo = ic.Repository.open(ic.local_filesystem_storage(sys.argv[1]),
    authorize_virtual_chunk_access={sys.argv[2]: ic.credentials.LocalFileSystemAccess})
print(int(zarr.open_group(repo.readonly_session("main").store, mode="r")["0"][...].astype("i8").sum()))
"""


def test_a_written_repository_opens_in_a_process_that_imports_no_vzlab(tmp_path: Path) -> None:
    values = samples((45, 70), "u2")
    path = tmp_path / "lzw.tif"
    tifffile.imwrite(path, values, compression="lzw", predictor=2, rowsperstrip=16)
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


def test_xarray_reads_what_the_store_serves(tmp_path: Path) -> None:
    path = tmp_path / "rgb.tif"
    values = samples((30, 40, 3), "u1")
    tifffile.imwrite(path, values, photometric="rgb", compression="lzw")
    store = vz.open_manifest_store(path)
    with xr.open_zarr(store, consolidated=False) as dataset:
        np.testing.assert_array_equal(dataset["0"].values, np.moveaxis(values, -1, 0))
    assert zarr.open_group(store, mode="r")["0"].shape == (3, 30, 40)
