"""Raw binary with an ENVI header beside numpy and GDAL: interleaves, types, byte orders, and what is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

import vzlab as vz
from tests.parsers.reading import assert_values_equal, read
from vzlab.detection import detect_format
from vzlab.errors import CorruptFileError, SourceNotFoundError, UnsupportedFormatError, VzlabError
from vzlab.parsers import ENVIParser, parser_for
from vzlab.storage import RequestLog, StoreRegistry

CODES = {
    1: "u1",
    2: "i2",
    3: "i4",
    4: "f4",
    5: "f8",
    6: "c8",
    9: "c16",
    12: "u2",
    13: "u4",
    14: "i8",
    15: "u8",
}
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}
BANDS, LINES, SAMPLES = 3, 4, 5


def values(dtype: str) -> Any:
    return np.arange(BANDS * LINES * SAMPLES).reshape(BANDS, LINES, SAMPLES).astype(dtype)


def write(
    path: Path, *, code: int = 2, interleave: str = "bsq", order: int = 0, offset: int = 0, more: str = ""
) -> Path:
    """A header, and the data beside it without its ending; gives the header's path."""
    stored = (
        values(CODES[code])
        .transpose(AXES[interleave])
        .astype(np.dtype(CODES[code]).newbyteorder("<>"[order]))
    )
    path.with_suffix("").write_bytes(b"\7" * offset + stored.tobytes())
    path.write_text(
        f"ENVI\nsamples = {SAMPLES}\nlines   = {LINES}\nbands   = {BANDS}\nheader offset = {offset}\n"
        f"data type = {code}\ninterleave = {interleave}\nbyte order = {order}\n{more}"
    )
    return path


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("interleave", AXES)
@pytest.mark.parametrize("code", CODES)
def test_every_type_interleave_and_byte_order(tmp_path: Path, code: int, interleave: str, order: int) -> None:
    path = write(tmp_path / "f.hdr", code=code, interleave=interleave, order=order, offset=17)
    array = ENVIParser()(path)["image"]
    dtype = np.dtype(CODES[code]).newbyteorder("<>"[order])
    mapped = np.memmap(path.with_suffix(""), dtype, "r", 17, array.shape)
    assert_values_equal(read(array), np.asarray(mapped))
    expected = tuple(("band", "y", "x")[axis] for axis in AXES[interleave])
    assert array.metadata.dimension_names == expected
    assert parser_for(detect_format(path)) is ENVIParser


@pytest.mark.parametrize("interleave", AXES)
@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 12, 13])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_reads_the_same(tmp_path: Path, code: int, interleave: str) -> None:
    path = write(tmp_path / "f.hdr", code=code, interleave=interleave, order=1)
    array = ENVIParser()(path)["image"]
    with rasterio.open(path.with_suffix("")) as file:
        assert file.driver == "ENVI"
        expected = file.read()
    names = array.metadata.dimension_names
    order = [names.index(name) for name in ("band", "y", "x")]
    assert_values_equal(read(array).transpose(order), expected)


def test_a_file_that_gdal_wrote(tmp_path: Path) -> None:
    path = tmp_path / "scene.img"
    transform = rasterio.transform.from_origin(500000, 4100000, 30, 30)
    with rasterio.open(
        path, "w", driver="ENVI", height=LINES, width=SAMPLES, count=BANDS, dtype="int16", crs="EPSG:32611",
        transform=transform, nodata=-9, INTERLEAVE="BIL",
    ) as file:  # fmt: skip
        file.write(values("i2"))
    group = ENVIParser()(path.with_suffix(".hdr"))
    assert_values_equal(read(group["image"]), values("i2").transpose(1, 0, 2))
    assert group["image"].metadata.attributes["_FillValue"] == -9
    assert group.attributes["map info"][:7] == ["UTM", 1, 1, 500000, 4100000, 30, 30]


def test_wavelengths_are_a_coordinate_and_the_rest_is_kept(tmp_path: Path) -> None:
    more = (
        "description = {\n  A scene, of\n  a spring}\nwavelength units = Nanometers\n; a comment = 1\n"
        "wavelength = {450.5,\n 550, 6.5e2}\nband names = {blue, green, red}\ngain = 2\n"
    )
    path = write(tmp_path / "f.hdr", more=more)
    dataset = vz.open_virtual_dataset(path, loadable_variables=["wavelength"])
    assert dataset.coords["wavelength"].values.tolist() == [450.5, 550, 650]
    assert dataset.coords["wavelength"].attrs["units"] == "Nanometers"
    assert dataset.attrs["band names"] == ["blue", "green", "red"]
    assert dataset.attrs["description"] == "A scene, of a spring"
    assert dataset.attrs["gain"] == 2
    assert "; a comment" not in dataset.attrs


def test_the_data_may_have_any_name(tmp_path: Path) -> None:
    path = write(tmp_path / "f.hdr")
    (tmp_path / "f").rename(tmp_path / "f.bil")
    assert_values_equal(read(ENVIParser()(path)["image"]), values("i2"))
    (tmp_path / "f.bil").rename(tmp_path / "other")
    with pytest.raises(SourceNotFoundError, match=r"none of f, f\.img.*data_url"):
        ENVIParser()(path)
    found = ENVIParser(data_url=str(tmp_path / "other"))
    assert_values_equal(found.load(path, None, "image"), values("i2"))


def test_only_the_header_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "f.hdr")
    store, log = MemoryStore(), RequestLog()
    obstore.put(store, "f.hdr", path.read_bytes())
    obstore.put(store, "f", (tmp_path / "f").read_bytes())
    ENVIParser()("memory://bucket/f.hdr", StoreRegistry({"memory://bucket": store}, log=log))
    # What the data are is found out by a look at their start.
    assert [(request.url.rpartition("/")[2], request.kind) for request in log.requests] == [
        ("f.hdr", "open"),
        ("f", "open"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("samples = 5", "samples = 6", "should lie at byte"),
        ("samples = 5", "samples = 999999999999999999", "should lie at byte"),
        ("samples = 5", "samples = -5", "'samples' is '-5', expected a whole number"),
        ("samples = 5", "", "'samples' is ''"),
        ("data type = 2", "data type = 7", "'data type' is 7"),
        ("interleave = bsq", "interleave = bqs", "expected bsq, bil or bip"),
        ("byte order = 0", "byte order = 2", "expected 0 or 1"),
        ("byte order = 0", "wavelength = {1, 2", "braces of 'wavelength' do not close"),
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path / "f.hdr")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CorruptFileError, match=message):
        ENVIParser()(path)


@pytest.mark.parametrize(
    ("more", "message"),
    [("file compression = 1", "compressed"), ("major frame offsets = {0, 8}", "not skipped here")],
)
def test_layouts_that_no_reference_says_are_refused(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=message):
        ENVIParser()(write(tmp_path / "f.hdr", more=more))


def test_what_is_no_envi_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.hdr"
    path.write_bytes(b"something else")
    with pytest.raises(UnsupportedFormatError, match="no ENVI header"):
        ENVIParser()(path)


def test_there_are_no_groups(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="there are no groups"):
        ENVIParser(group="g")(write(tmp_path / "f.hdr"))


@settings(max_examples=100, deadline=20_000, derandomize=True, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.integers(5, 200), st.integers(0, 255)), min_size=1, max_size=3))
def test_changed_headers_are_refused_or_give_arrays_within_the_data(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    path = write(
        tmp_path / "f.hdr", more="wavelength = {1, 2, 3}\ndata ignore value = 1e3\nmap info = {UTM, 1}\n"
    )
    raw = bytearray(path.read_bytes())
    for at, value in changes:
        raw[at % len(raw)] = value
    path.write_bytes(raw)
    try:
        array = ENVIParser()(path)["image"]
    except VzlabError:
        return
    plain = np.dtype(array.dtype).newbyteorder(
        ">" if array.codecs[0].get("configuration", {}).get("endian") == "big" else "<"
    )
    offset = int(array.manifest.offsets.min()) if array.size else 0
    content = (tmp_path / "f").read_bytes()
    expected = np.frombuffer(content, plain, array.size, offset).reshape(array.shape)
    np.testing.assert_array_equal(read(array), expected)
