"""HDF4 files that pyhdf wrote, beside what pyhdf reads of them; requests, damage and strange descriptors."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from pyhdf.HDF import HC, HDF
from pyhdf.SD import SD, SDC
from pyhdf.V import V
from pyhdf.VS import VS

import vzlab as vz
from tests.corpus import corpus_file
from tests.parsers.reading import assert_values_equal, read
from vzlab.errors import CorruptFileError, UnsupportedFormatError, VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import HDF4Parser
from vzlab.storage import RequestLog, StoreRegistry, read_array

TYPES = {
    SDC.INT8: "i1",
    SDC.UINT8: "u1",
    SDC.INT16: "i2",
    SDC.UINT16: "u2",
    SDC.INT32: "i4",
    SDC.UINT32: "u4",
    SDC.FLOAT32: "f4",
    SDC.FLOAT64: "f8",
}


def write(
    path: Path, name: str, values: Any, code: int, *, names: tuple[str, ...] = (), **options: Any
) -> None:
    """Add a dataset to a file."""
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    shape = (0, *values.shape[1:]) if options.get("unlimited") else values.shape
    dataset = file.create(name, code, shape)
    for axis, dimension in enumerate(names):
        dataset.dim(axis).setname(dimension)
    if "fill" in options:
        dataset.setfillvalue(options["fill"])
    if "deflate" in options:
        dataset.setcompress(SDC.COMP_DEFLATE, options["deflate"])
    if "skip_size" in options:
        dataset.setcompress(SDC.COMP_SKPHUFF, options["skip_size"])
    if options.get("runs"):
        dataset.setcompress(SDC.COMP_RLE)
    for key, value in options.get("attributes", {}).items():
        setattr(dataset, key, value)
    for start, stop in options.get("pieces", [(0, len(values))]):
        dataset.set(
            values[start:stop],
            start=(start, *(0,) * (values.ndim - 1)),
            count=(stop - start, *values.shape[1:]),
        )
    dataset.endaccess()
    file.end()


def native(path: Path, name: str) -> Any:
    file = SD(str(path))
    values = np.asarray(file.select(name).get())
    file.end()
    return values


def parse(path: Path, **options: Any) -> ManifestGroup:
    return HDF4Parser(**options)(path)


@pytest.mark.parametrize("code", TYPES, ids=TYPES.values())
def test_every_number_type(tmp_path: Path, code: int) -> None:
    path = tmp_path / "t.hdf"
    values = np.arange(-6, 6).reshape(3, 4).astype(TYPES[code])
    write(path, "x", values, code)
    array = parse(path)["x"]
    assert isinstance(array, ManifestArray)
    assert array.manifest.n_virtual == 1
    assert_values_equal(read(array), native(path, "x"))
    assert_values_equal(read(array), values)


def test_little_endian_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    values = np.arange(12, dtype="i4").reshape(3, 4)
    write(path, "x", values.byteswap(), SDC.INT32)
    # pyhdf neither writes nor reads them: its number type (version, type, bits, class) is changed from class 1, big-endian, to 4.
    number_type = bytes([1, SDC.INT32, 32])
    path.write_bytes(path.read_bytes().replace(number_type + b"\x01", number_type + b"\x04"))
    array = parse(path)["x"]
    assert isinstance(array, ManifestArray)
    assert_values_equal(read(array), values)


def test_deflated(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    values = np.arange(6000, dtype="i4").reshape(60, 100)
    write(
        path, "x", values, SDC.INT32, deflate=9, names=("y", "x"), attributes={"units": "K", "limit": [1, 2]}
    )
    array = parse(path)["x"]
    assert isinstance(array, ManifestArray)
    assert [codec["name"] for codec in array.metadata.codecs] == ["bytes", "numcodecs.zlib"]
    assert array.metadata.dimension_names == ("y", "x")
    assert array.metadata.attributes["units"] == "K"
    assert array.metadata.attributes["limit"] == [1, 2]
    assert_values_equal(read(array), native(path, "x"))


def test_blocks_of_datasets_that_grew_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    values = np.arange(200_000, dtype="f8").reshape(20, 10_000)
    for name in ("x", "y"):
        write(path, name, values, SDC.FLOAT64, unlimited=True, pieces=[(0, 4)])
    file = SD(str(path), SDC.WRITE)
    for start in range(4, 20, 4):
        for name in ("x", "y"):
            file.select(name).set(values[start : start + 4], start=(start, 0), count=(4, 10_000))
    file.end()
    group = parse(path)
    for name in ("x", "y"):
        array = group[name]
        assert isinstance(array, ManifestArray)
        assert array.shape == (20, 10_000)
        assert_values_equal(read(array), native(path, name))


def test_linked_blocks_of_whole_rows_are_a_chunk_each() -> None:
    path = corpus_file("dmrpp/OPENDAP__bes/SDS_unlimited_2.hdf.d/SDS_unlimited_2.hdf")
    array = parse(path)["AppendableData"]
    assert isinstance(array, ManifestArray)
    assert array.metadata.chunks == ((10, 1, 1), 10)
    assert array.manifest.n_virtual == 3
    assert_values_equal(read(array), native(path, "AppendableData"))


@pytest.mark.parametrize("fill", [None, -1])
def test_what_was_not_written_reads_as_the_library_reads_it(tmp_path: Path, fill: int | None) -> None:
    path = tmp_path / "t.hdf"
    options: dict[str, Any] = {} if fill is None else {"fill": fill}
    write(path, "x", np.zeros((3, 4), "i2"), SDC.INT16, pieces=[], **options)
    write(path, "part", np.full((3, 4), 7, "i2"), SDC.INT16, pieces=[(1, 2)], **options)
    group = parse(path)
    for name in ("x", "part"):
        array = group[name]
        assert isinstance(array, ManifestArray)
        assert_values_equal(read(array), native(path, name))


def test_a_coder_without_a_codec_is_refused_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    values = np.repeat(np.arange(4, dtype="i4"), 10)
    write(path, "x", values, SDC.INT32, skip_size=4)
    write(path, "y", values, SDC.INT32)
    group = parse(path)
    assert "Huffman" in group.unreadable["x"].reason
    assert group.unreadable["x"].loadable
    assert list(group.arrays) == ["y"]
    assert_values_equal(HDF4Parser().load(path, None, "x"), values)
    with pytest.raises(KeyError):
        HDF4Parser().load(path, None, "z")


@pytest.mark.parametrize("step", [1, 300], ids=["long-runs", "short-runs"])
def test_run_lengths_are_decoded_while_parsing(tmp_path: Path, step: int) -> None:
    path = tmp_path / "t.hdf"
    values = (np.arange(3000, dtype="i4") * step // 100).reshape(30, 100)
    write(path, "x", values, SDC.INT32, runs=True)
    array = parse(path)["x"]
    assert isinstance(array, ManifestArray)
    assert array.manifest.n_inline == 1
    assert_values_equal(read(array), native(path, "x"))
    assert_values_equal(read(array), values)


def test_vgroups_are_groups_and_vdatas_are_arrays(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    write(path, "inside", np.arange(3, dtype="i4"), SDC.INT32)
    write(path, "outside", np.arange(4, dtype="i4"), SDC.INT32)
    file = SD(str(path))
    ref = file.select("inside").ref()
    file.end()
    hdf = HDF(str(path), HC.WRITE)
    vs: VS = hdf.vstart()
    table = vs.create("table", [("count", HC.INT32, 1), ("place", HC.FLOAT32, 3), ("name", HC.CHAR8, 4)])
    table.write([[1, [1.5, 2.5, 3.5], "abcd"], [2, [4.5, 5.5, 6.5], "wxyz"]])
    table.detach()
    v: V = hdf.vgstart()
    outer = v.attach(-1, write=1)
    outer._name = "outer"
    outer.add(HC.DFTAG_NDG, ref)
    outer.detach()
    v.end()
    vs.end()
    hdf.close()
    group = parse(path)
    assert list(group.arrays) == ["outside"]
    values = {name: read(array) for name, array in group.walk_arrays()}
    assert values["outer/inside"].tolist() == [0, 1, 2]
    assert values["table/count"].tolist() == [1, 2]
    assert values["table/place"].tolist() == [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]
    assert values["table/name"].tolist() == [b"abcd", b"wxyz"]
    assert sorted(parse(path, layout="flat").arrays) == ["inside", "outside"]
    assert list(parse(path, group="outer").arrays) == ["inside"]


def test_a_scientific_data_group_of_old_is_read(tmp_path: Path) -> None:
    # HDF 4 specification, chapter 6: tags 106 (number type), 700 (group), 701 (dimensions), 702 (data).
    values = np.arange(6, dtype=">f4").reshape(2, 3)
    elements = {
        106: bytes([1, 5, 32, 1]),
        701: struct.pack(">hii6H", 2, 2, 3, 106, 1, 106, 1, 106, 1),
        702: values.tobytes(),
        700: struct.pack(">6H", 701, 1, 702, 1, 106, 1),
    }
    head, body = b"\x0e\x03\x13\x01" + struct.pack(">HI", len(elements), 0), b""
    start = len(head) + 12 * len(elements)
    for tag, content in elements.items():
        head += struct.pack(">HHII", tag, 1, start + len(body), len(content))
        body += content
    path = tmp_path / "old.hdf"
    path.write_bytes(head + body)
    np.testing.assert_array_equal(native(path, "Data-Set-1"), values)
    array = parse(path)["Data-Set-1"]
    assert isinstance(array, ManifestArray)
    found = read(array, "Data-Set-1")
    np.testing.assert_array_equal(found, values)


def test_hdfeos2_fields_have_the_names_of_struct_metadata(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    write(path, "Total", np.arange(6, dtype="i4").reshape(2, 3), SDC.INT32)
    file = SD(str(path), SDC.WRITE)
    text = 'GridName="G"\nXDim=3\nYDim=2\nDataFieldName="Total"\nDimList=("YDim","XDim")\n'
    setattr(file, "StructMetadata.0", text)
    file.end()
    group = parse(path)
    array = group["Total"]
    assert isinstance(array, ManifestArray)
    assert array.metadata.dimension_names == ("YDim", "XDim")
    assert group.format == "HDF-EOS2 / HDF4"
    assert_values_equal(read(array), native(path, "Total"))


def test_opens_as_a_dataset(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    write(path, "x", np.arange(6, dtype="i4").reshape(2, 3), SDC.INT32, names=("lat", "lon"))
    dataset = vz.open_virtual_dataset(path)
    assert dict(dataset.sizes) == {"lat": 2, "lon": 3}


def test_metadata_of_a_remote_file_takes_few_requests(tmp_path: Path) -> None:
    path = tmp_path / "t.hdf"
    for number in range(5):
        write(path, f"x{number}", np.zeros(100_000, "f8"), SDC.FLOAT64)
    store = MemoryStore()
    obstore.put(store, "t.hdf", path.read_bytes())
    log = RequestLog()
    registry = StoreRegistry({"memory://bucket": store}, log=log)
    group = HDF4Parser()("memory://bucket/t.hdf", registry)
    assert len(log.requests) <= 12
    assert sum(request.length for request in log.requests) < path.stat().st_size / 4
    array = group["x3"]
    assert isinstance(array, ManifestArray)
    assert_values_equal(read_array(array, registry), np.zeros(100_000))


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("hdf4") / "t.hdf"
    write(path, "x", np.arange(60, dtype="i4").reshape(6, 10), SDC.INT32, deflate=6)
    write(path, "y", np.arange(6, dtype="f4"), SDC.FLOAT32, attributes={"units": "m"})
    return path.read_bytes()


def parse_bytes(data: bytes) -> dict[str, Any]:
    store = MemoryStore()
    obstore.put(store, "t.hdf", data)
    registry = StoreRegistry({"memory://bucket": store})
    group = HDF4Parser()("memory://bucket/t.hdf", registry)
    return {name: read_array(array, registry) for name, array in group.walk_arrays() if array.nbytes < 10**6}


def test_truncated_at_any_byte(sound: bytes) -> None:
    whole = parse_bytes(sound)
    for length in range(1, len(sound), 37):
        try:
            found = parse_bytes(sound[:length])
        except VzlabError:
            continue
        for name, values in found.items():
            assert_values_equal(values, whole[name])


@settings(
    max_examples=80,
    deadline=20_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_mutated_bytes_never_do_more_than_raise(sound: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(sound)
    for at, byte in changes:
        data[at % len(data)] = byte
    try:
        parse_bytes(bytes(data))
    except VzlabError:
        return


def test_descriptor_blocks_in_a_circle() -> None:
    block = struct.pack(">hi", 1, 4) + struct.pack(">HHii", 1, 0, -1, -1)
    with pytest.raises(CorruptFileError, match="circle"):
        parse_bytes(b"\x0e\x03\x13\x01" + block)


def test_a_count_beyond_the_file() -> None:
    with pytest.raises(CorruptFileError, match="truncated"):
        parse_bytes(b"\x0e\x03\x13\x01" + struct.pack(">hi", 32767, 0))


def test_another_format() -> None:
    with pytest.raises(UnsupportedFormatError, match="expected"):
        parse_bytes(b"CDF\x01")


# -- real files -------------------------------------------------------------------------------------------------------


def test_modis_level_2_is_virtual_in_its_groups() -> None:
    path = corpus_file("hdf4/OPENDAP__bes/MOD05_L2.A2019336.2315.061.2019337071952.hdf")
    group = parse(path)
    assert not [reason for _, part in group.walk() for reason in part.unreadable]
    array = group["mod05/Data Fields/Water_Vapor_Near_Infrared"]
    assert isinstance(array, ManifestArray)
    assert array.metadata.dimension_names == ("Cell_Along_Swath_1km", "Cell_Across_Swath_1km")
    assert_values_equal(read(array), native(path, "Water_Vapor_Near_Infrared"))


@pytest.mark.parametrize(
    ("conventions", "offset", "expected"),
    [("", 100.0, -1.0), ("CF-1.6", 100.0, 100.0), ("", 0.0, 0.0)],
    ids=["as-HDF4-means-it", "as-CF-means-it", "alike"],
)
def test_an_offset_is_taken_as_the_file_means_it(
    tmp_path: Path, conventions: str, offset: float, expected: float
) -> None:
    path = tmp_path / "calibrated.hdf"
    values = np.array([100, 200, 300], "i2")
    write(path, "x", values, SDC.INT16, attributes={"scale_factor": 0.01, "add_offset": offset})
    if conventions:
        file = SD(str(path), SDC.WRITE)
        file.Conventions = conventions
        file.end()
    attributes = HDF4Parser()(path).arrays["x"].metadata.attributes
    assert attributes["add_offset"] == expected
    assert attributes.get("hdf4_add_offset") == (offset if expected == -1.0 else None)
    decoded = vz.open_virtual_dataset(path, loadable_variables=["x"])["x"]
    # HDF User's Guide: scale_factor * (stored - add_offset); CF: scale_factor * stored + add_offset.
    hdf4 = 0.01 * (values - offset)
    assert np.allclose(decoded, 0.01 * values + offset if conventions else hdf4)
