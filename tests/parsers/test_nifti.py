"""NIfTI beside nibabel: types, byte orders, scaling, affines, pairs of files, and what is damaged."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import obstore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

import vzlab as vz
from tests.parsers.reading import assert_values_equal, read
from vzlab.detection import detect_format
from vzlab.errors import CorruptFileError, SourceNotFoundError, UnsupportedFormatError, VzlabError
from vzlab.parsers import NIfTIParser, parser_for
from vzlab.storage import RequestLog, StoreRegistry

AFFINE = np.array([[2.0, 0.5, 0, -9], [0, -3, 0, 8], [0, 0.25, 4, 7], [0, 0, 0, 1]])
TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8", "c8", "c16"]


def values(dtype: str, shape: tuple[int, ...] = (3, 4, 5, 2)) -> Any:
    return (np.arange(np.prod(shape)) % 100).reshape(shape).astype(dtype)


def save(
    path: Path, data: Any, *, kind: Any = nib.Nifti1Image, order: str = "<", affine: Any = AFFINE
) -> Path:
    header = kind.header_class(endianness=order)
    header.set_data_dtype(data.dtype)
    header.set_xyzt_units("mm", "sec")
    image = kind(data, affine, header, dtype=data.dtype)
    nib.save(image, path)
    return path


def raw_values(path: Path) -> Any:
    """As nibabel reads them, unscaled."""
    return np.asarray(nib.load(path).dataobj.get_unscaled())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_in_both_byte_orders(tmp_path: Path, dtype: str, kind: Any, order: str) -> None:
    path = save(tmp_path / "f.nii", values(dtype), kind=kind, order=order)
    group = NIfTIParser()(path)
    assert parser_for(detect_format(path)) is NIfTIParser
    assert_values_equal(read(group["image"]), raw_values(path))
    assert group["image"].metadata.dimension_names == ("x", "y", "z", "t")
    np.testing.assert_allclose(group.attributes["affine"], nib.load(path).affine)
    assert (group.attributes["space_units"], group.attributes["time_units"]) == ("mm", "s")


@pytest.mark.parametrize("shape", [(7,), (7, 3), (5, 4, 3), (3, 1, 1, 1, 6)])
def test_ranks(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "f.nii", values("i2", shape))
    assert_values_equal(read(NIfTIParser()(path)["image"]), raw_values(path))


def test_a_volume_is_a_chunk(tmp_path: Path) -> None:
    path = save(tmp_path / "bold.nii", values("f4", (40, 40, 20, 6)))
    array = NIfTIParser()(path)["image"]
    assert array.metadata.chunks == (40, 40, 20, 1)
    assert_values_equal(read(array), raw_values(path))
    assert NIfTIParser(min_chunk_bytes=None)(path)["image"].manifest.n_chunks == 1


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_scaling_is_that_of_cf(tmp_path: Path, dtype: str) -> None:
    image = nib.Nifti1Image(values(dtype), AFFINE)
    image.header.set_slope_inter(0.5, -3)
    path = tmp_path / "f.nii"
    nib.save(image, path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([0.5, -3], "<f4").tobytes()
    path.write_bytes(raw)
    array = NIfTIParser()(path)["image"]
    assert array.metadata.attributes == {"scale_factor": 0.5, "add_offset": -3.0}
    dataset = vz.open_virtual_dataset(path, loadable_variables=["image"])
    np.testing.assert_allclose(dataset["image"].values, nib.load(path).get_fdata())


@pytest.mark.parametrize("code", ["qform", "sform", "neither"])
def test_affines(tmp_path: Path, code: str) -> None:
    rotation = np.diag([2.0, 3, -4, 1]) @ np.array([[0, 1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    image = nib.Nifti1Image(values("u1", (2, 3, 4)), rotation)
    image.set_qform(rotation, code=1 if code == "qform" else 0)
    image.set_sform(rotation, code=1 if code == "sform" else 0)
    path = tmp_path / "f.nii"
    nib.save(image, path)
    found = np.array(NIfTIParser()(path).attributes["affine"])
    if code == "neither":
        # nibabel centres the image there; the specification has no offset.
        np.testing.assert_allclose(found, np.diag([*nib.load(path).header.get_zooms(), 1]))
    else:
        np.testing.assert_allclose(found, nib.load(path).affine, atol=1e-5)


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
def test_a_pair_of_files(tmp_path: Path, kind: Any) -> None:
    save(tmp_path / "f.img", values("i4"), kind=kind)
    group = NIfTIParser()(tmp_path / "f.hdr")
    assert_values_equal(read(group["image"]), raw_values(tmp_path / "f.hdr"))
    assert group["image"].manifest.urls[0].endswith("f.img")
    (tmp_path / "f.img").unlink()
    with pytest.raises(SourceNotFoundError, match=r"f\.img: fetch that too"):
        NIfTIParser()(tmp_path / "f.hdr")


def test_colours_are_records(tmp_path: Path) -> None:
    data = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    data["G"] = values("u1", (3, 4, 5))
    path = tmp_path / "f.nii"
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    assert_values_equal(read(NIfTIParser()(path)["image"]), data)


def test_only_the_header_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "f.nii", values("f8", (40, 40, 20, 3)))
    store, log = MemoryStore(), RequestLog()
    obstore.put(store, "f.nii", path.read_bytes())
    NIfTIParser()("memory://bucket/f.nii", StoreRegistry({"memory://bucket": store}, log=log))
    assert [request.length for request in log.requests] == [65_536]


def changed(path: Path, offset: int, content: Any) -> Path:
    raw = bytearray(path.read_bytes())
    new = bytes(np.asarray(content).tobytes())
    raw[offset : offset + len(new)] = new
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("offset", "content", "message"),
    [
        pytest.param(40, np.int16(9), "9 dimensions", id="rank"),
        pytest.param(42, np.int16(-1), "its dimensions are", id="negative"),
        pytest.param(40, np.int16([6, 0, *[32767] * 5]), "its dimensions are", id="endless-beside-none"),
        pytest.param(42, np.int16(32767), "should lie at byte", id="past-the-end"),
        pytest.param(72, np.int16(7), "7 bits, expected 16", id="bits"),
        pytest.param(108, np.float32(np.nan), "begin at byte nan", id="nowhere"),
        pytest.param(108, np.float32(1e30), "should lie at byte", id="far"),
        pytest.param(108, np.float32(5), "inside of the header", id="in-the-header"),
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, offset: int, content: Any, message: str) -> None:
    path = changed(save(tmp_path / "f.nii", values("i2")), offset, content)
    with pytest.raises(CorruptFileError, match=message):
        NIfTIParser()(path)


def test_a_type_without_a_name_in_zarr_is_refused_with_its_number(tmp_path: Path) -> None:
    path = changed(save(tmp_path / "f.nii", values("i2")), 70, np.int16(1536))
    assert "data type 1536" in NIfTIParser()(path).unreadable["image"].reason


def test_what_is_cut_compressed_or_no_nifti_file(tmp_path: Path) -> None:
    whole = save(tmp_path / "f.nii", values("i2")).read_bytes()
    path = tmp_path / "cut.nii"
    for length in (0, 3, 4, 100, 347, 348, 400, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises((CorruptFileError, UnsupportedFormatError), match=r"cut\.nii"):
            NIfTIParser()(path)
    path.write_bytes(gzip.compress(whole, mtime=0))
    with pytest.raises(UnsupportedFormatError, match="Decompress it first"):
        NIfTIParser()(path)


@settings(max_examples=100, deadline=20_000, derandomize=True, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.integers(0, 360), st.integers(0, 255)), min_size=1, max_size=2))
def test_changed_bytes_are_refused_or_read_as_nibabel_reads_them(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    path = save(tmp_path / "f.nii", values("i2", (3, 4, 5)))
    raw = bytearray(path.read_bytes())
    for at, value in changes:
        raw[at] = value
    path.write_bytes(raw)
    try:
        array = NIfTIParser()(path)["image"]
        expected = raw_values(path)
    except (VzlabError, KeyError, ValueError, OSError, nib.spatialimages.HeaderDataError):
        return
    assert_values_equal(read(array), expected)
