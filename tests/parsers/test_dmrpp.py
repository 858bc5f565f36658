"""DMR++ documents beside h5py's view of the files that they describe; safety, damage and strange documents."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import obstore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

import vzlab as vz
from tests.corpus import corpus_file
from tests.parsers.reading import assert_values_equal, read
from vzlab.errors import CorruptFileError, UnsupportedFormatError, UnvirtualizableError, VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import DMRPPParser
from vzlab.storage import RequestLog, StoreRegistry, read_array

DATASET = (
    '<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#" xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" '
    'dapVersion="4.0" dmrVersion="1.0" name="data.h5" dmrpp:href="data.h5"{version}>{body}</Dataset>'
)


def document(folder: Path, body: str, *, version: str = ' dmrpp:version="3.21.1"') -> Path:
    path = folder / "data.h5.dmrpp"
    path.write_text(DATASET.format(body=body, version=version))
    return path


def parse(path: Path, **options: Any) -> ManifestGroup:
    return DMRPPParser(**options)(path)


def array_of(group: ManifestGroup, path: str) -> ManifestArray:
    found = group[path]
    assert isinstance(found, ManifestArray)
    return found


def describe(path: Path, name: str, *, dims: str | None = None) -> str:
    """The element of an HDF5 dataset of 32-bit integers, as build_dmrpp writes it."""
    with h5py.File(path) as file:
        dataset = file[name]
        creation = dataset.id.get_create_plist()
        words = {
            h5py.h5z.FILTER_DEFLATE: "deflate",
            h5py.h5z.FILTER_SHUFFLE: "shuffle",
            h5py.h5z.FILTER_FLETCHER32: "fletcher32",
        }
        filters = " ".join(words[creation.get_filter(i)[0]] for i in range(creation.get_nfilters()))
        shape = dims or "".join(f'<Dim size="{n}"/>' for n in dataset.shape)
        fill = f'fillValue="{dataset.fillvalue}" byteOrder="LE"'
        if dataset.chunks is None:
            chunks = f'<dmrpp:chunk offset="{dataset.id.get_offset()}" nBytes="{dataset.nbytes}"/>'
            return f'<Int32 name="{name}">{shape}<dmrpp:chunks {fill}>{chunks}</dmrpp:chunks></Int32>'
        infos = [dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks())]
        chunks = "".join(
            f'<dmrpp:chunk offset="{info.byte_offset}" nBytes="{info.size}" '
            f'chunkPositionInArray="[{",".join(map(str, info.chunk_offset))}]"'
            + (f' fm="{info.filter_mask}"' if info.filter_mask else "")
            + "/>"
            for info in infos
        )
        sizes = f"<dmrpp:chunkDimensionSizes>{' '.join(map(str, dataset.chunks))}</dmrpp:chunkDimensionSizes>"
        kind = f'compressionType="{filters}"' if filters else ""
        return (
            f'<Int32 name="{name}">{shape}<dmrpp:chunks {kind} {fill}>{sizes}{chunks}</dmrpp:chunks></Int32>'
        )


VALUES = np.arange(63, dtype="i4").reshape(7, 9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (3, 4)},
        {"chunks": (3, 4), "compression": "gzip"},
        {"chunks": (3, 4), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (3, 4), "maxshape": (None, 9), "fillvalue": -5},
    ],
    ids=["contiguous", "chunked", "deflate", "shuffle-deflate-fletcher32", "unlimited"],
)
def test_as_h5py_reads_the_file(tmp_path: Path, options: dict[str, Any]) -> None:
    data = tmp_path / "data.h5"
    with h5py.File(data, "w") as file:
        dataset = file.create_dataset("x", (7, 9), "i4", **options)
        # Some chunks are never written where there are several.
        dataset[:3] = VALUES[:3]
    group = parse(document(tmp_path, describe(data, "x")))
    with h5py.File(data) as file:
        assert_values_equal(read(array_of(group, "x")), file["x"][()])


@pytest.mark.parametrize("options", [{}, {"chunks": (3, 4)}], ids=["contiguous", "chunked"])
def test_a_document_of_another_version_of_the_file_is_refused(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    data = tmp_path / "data.h5"
    for history in ("short", "much longer than it was before " * 200):
        made = document(tmp_path, describe(data, "x")) if data.exists() else None
        with h5py.File(data, "w", libver="earliest") as file:
            file.attrs["history"] = history
            file.create_dataset("x", data=VALUES, **options)
    assert made is not None
    refused = parse(made).unreadable["x"].reason
    assert "another version of the file" in refused
    # Nothing compares them where that is switched off: values are what lies at the places of the document.
    assert "x" in parse(made, check_local=False).arrays


def test_chunks_that_skipped_a_filter(tmp_path: Path) -> None:
    data = tmp_path / "data.h5"
    with h5py.File(data, "w") as file:
        dataset = file.create_dataset(
            "x", data=np.arange(8, dtype="i4"), chunks=(4,), compression="gzip", shuffle=True
        )
        dataset.id.write_direct_chunk((4,), np.arange(4, 8, dtype="<i4").tobytes(), filter_mask=3)
    group = parse(document(tmp_path, describe(data, "x")))
    assert array_of(group, "x").manifest.n_inline == 1
    assert read(array_of(group, "x")).tolist() == list(range(8))


def test_without_a_version_filters_are_put_in_order(tmp_path: Path) -> None:
    data = tmp_path / "data.h5"
    with h5py.File(data, "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(7, 9), compression="gzip", shuffle=True)
    element = describe(data, "x").replace('"shuffle deflate"', '"deflate shuffle"')
    assert_values_equal(read(array_of(parse(document(tmp_path, element, version="")), "x")), VALUES)


# -- several ranges ---------------------------------------------------------------------------------------------------


def raw(folder: Path, data: bytes) -> None:
    (folder / "data.h5").write_bytes(data)


def block(offset: int, length: int) -> str:
    return f'<dmrpp:block offset="{offset}" nBytes="{length}"/>'


@pytest.mark.parametrize(
    ("ranges", "n_virtual"),
    [([(0, 12), (12, 24)], 1), ([(4, 12), (20, 24)], 2), ([(4, 14), (20, 22)], 0)],
    ids=["adjacent", "whole-rows", "split-inside-a-row"],
)
def test_blocks(tmp_path: Path, ranges: list[tuple[int, int]], n_virtual: int) -> None:
    values = np.arange(9, dtype=">i4")
    stored = bytearray(64)
    at = 0
    for offset, length in ranges:
        stored[offset : offset + length] = values.tobytes()[at : at + length]
        at += length
    raw(tmp_path, bytes(stored))
    blocks = "".join(block(*each) for each in ranges)
    body = f'<Int32 name="x"><Dim size="3"/><Dim size="3"/><dmrpp:chunks byteOrder="BE">{blocks}</dmrpp:chunks></Int32>'
    array = array_of(parse(document(tmp_path, body)), "x")
    assert array.manifest.n_virtual == n_virtual
    assert_values_equal(read(array), values.reshape(3, 3).astype("i4"))


@pytest.mark.parametrize("second", [8, 20], ids=["adjacent", "apart"])
def test_a_chunk_of_linked_blocks(tmp_path: Path, second: int) -> None:
    values = np.arange(8, dtype="<i4").tobytes()
    stored = bytearray(64)
    stored[0:8], stored[second : second + 8], stored[40:56] = values[:8], values[8:16], values[16:]
    raw(tmp_path, bytes(stored))
    body = (
        '<Int32 name="x"><Dim size="8"/><dmrpp:chunks byteOrder="LE" LBChunk="true">'
        "<dmrpp:chunkDimensionSizes>4</dmrpp:chunkDimensionSizes>"
        '<dmrpp:chunk offset="0" nBytes="8" chunkPositionInArray="[0]" LinkedBlockIndex="0"/>'
        f'<dmrpp:chunk offset="{second}" nBytes="8" chunkPositionInArray="[0]" LinkedBlockIndex="1"/>'
        '<dmrpp:chunk offset="40" nBytes="16" chunkPositionInArray="[4]"/></dmrpp:chunks></Int32>'
    )
    array = array_of(parse(document(tmp_path, body)), "x")
    assert array.manifest.n_virtual == (2 if second == 8 else 1)
    assert read(array).tolist() == list(range(8))


# -- values in the document -------------------------------------------------------------------------------------------


def test_inline_values_of_every_kind(tmp_path: Path) -> None:
    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    long = "long " * 50
    body = (
        f'<Float32 name="compact"><Dim size="2"/><dmrpp:compact>{text(np.array([1.5, 2], "<f4").tobytes())}'
        "</dmrpp:compact></Float32>"
        f'<Int16 name="missing"><Dim size="50"/><dmrpp:missingdata>{text(zlib.compress(np.arange(50, dtype="<i2").tobytes()))}'
        "</dmrpp:missingdata></Int16>"
        f'<Byte name="one"><Dim size="1"/><dmrpp:missingdata>{text(b"A")}</dmrpp:missingdata></Byte>'
        f'<String name="texts"><Dim size="4"/><dmrpp:vlsa><v c="2">a</v><v/><v s="{len(long)}">'
        f"{text(zlib.compress(long.encode()))}</v></dmrpp:vlsa></String>"
        f'<String name="scalar"><dmrpp:compact>{text("Grüße".encode())}'
        "</dmrpp:compact></String>"
    )
    group = parse(document(tmp_path, body))
    assert read(array_of(group, "compact")).tolist() == [1.5, 2]
    assert read(array_of(group, "missing")).tolist() == list(range(50))
    assert read(array_of(group, "one")).tolist() == [65]
    assert read(array_of(group, "texts")).tolist() == ["a", "a", "", long]
    assert read(array_of(group, "scalar")).item() == "Grüße"


@pytest.mark.parametrize(
    ("pad", "strpad"), [("space_pad", h5py.h5t.STR_SPACEPAD), ("null_term", h5py.h5t.STR_NULLTERM)]
)
@pytest.mark.parametrize("fill", ["", "unsupported-string"])
def test_texts_lose_their_padding_as_in_hdf5(pad: str, strpad: int, fill: str, tmp_path: Path) -> None:
    stored = b"Parting" + (b"is so  " if pad == "space_pad" else b"swe\0et.")
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(7)
    kind.set_strpad(strpad)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        space = h5py.h5s.create_simple((2,))
        dataset = h5py.h5d.create(file.id, b"x", kind, space)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.frombuffer(stored, "S7"), mtype=kind)
        place, expected = dataset.get_offset(), file["x"][...]
    body = (
        f'<String name="x"><Dim size="2"/><dmrpp:chunks fillValue="{fill}"><dmrpp:chunk offset="{place}" nBytes="14"/>'
        f'</dmrpp:chunks><dmrpp:FixedLengthStringArray string_length="7" pad="{pad}"/></String>'
    )
    assert_values_equal(
        read(array_of(parse(document(tmp_path, body), data_url=str(tmp_path / "data.h5")), "x")), expected
    )


def test_what_hdf5_never_fills_reads_as_zero(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (4,), "i4", chunks=(2,), fillvalue=-99, fill_time="never")
        x[:2] = [1, 2]
        place = x.id.get_chunk_info(0).byte_offset
    body = (
        '<Int32 name="x"><Dim size="4"/><dmrpp:chunks fillValue="-99"><dmrpp:chunkDimensionSizes>2</dmrpp:chunkDimensionSizes>'
        f'<dmrpp:chunk offset="{place}" nBytes="8" chunkPositionInArray="[0]"/></dmrpp:chunks></Int32>'
    )
    group = parse(document(tmp_path, body), data_url=str(path))
    assert read(array_of(group, "x")).tolist() == [1, 2, 0, 0]


def test_fill_values_of_members_that_are_arrays(tmp_path: Path) -> None:
    raw(tmp_path, np.arange(4, dtype="i2").tobytes())

    def body(fill: str, n: int) -> str:
        return (
            f'<Structure name="x"><Int16 name="a"/><Int16 name="b"><Dim size="3"/></Int16><Dim size="{n}"/>'
            f'<dmrpp:chunks fillValue="{fill}"><dmrpp:chunkDimensionSizes>1</dmrpp:chunkDimensionSizes>'
            '<dmrpp:chunk offset="0" nBytes="8" chunkPositionInArray="[0]"/></dmrpp:chunks></Structure>'
        )

    alike = parse(document(tmp_path, body("-1 7 7 7", 2)))
    assert read(array_of(alike, "x/b")).tolist() == [[1, 2, 3], [7, 7, 7]]
    whole = parse(document(tmp_path, body("-1 7 8 9", 1)))
    assert read(array_of(whole, "x/b")).tolist() == [[1, 2, 3]]
    assert "one fill value: not so b" in parse(document(tmp_path, body("-1 7 8 9", 2))).unreadable["x"].reason


def test_a_structure_with_array_members_is_a_group(tmp_path: Path) -> None:
    dtype = np.dtype(
        {"names": ["a", "b"], "formats": ["<i2", ("<f4", (3,))], "offsets": [0, 4], "itemsize": 20}
    )
    records = np.zeros(2, dtype)
    records["a"], records["b"] = [1, 2], [[1, 2, 3], [4, 5, 6]]
    raw(tmp_path, b"head" + records.tobytes())
    body = (
        '<Structure name="s"><Int16 name="a"/><Float32 name="b"><Dim size="3"/></Float32><Dim size="2"/>'
        '<dmrpp:chunks byteOrder="LE" structOffset="4 20"><dmrpp:chunk offset="4" nBytes="40"/></dmrpp:chunks></Structure>'
    )
    group = parse(document(tmp_path, body))
    assert read(array_of(group, "s/a")).tolist() == [1, 2]
    assert read(array_of(group, "s/b")).tolist() == [[1, 2, 3], [4, 5, 6]]


# -- names, types, fills ----------------------------------------------------------------------------------------------


def test_groups_dimensions_maps_enumerations_and_attributes(tmp_path: Path) -> None:
    raw(tmp_path, np.arange(16, dtype="<i4").tobytes())
    piece = '<dmrpp:chunks byteOrder="LE"><dmrpp:chunk offset="0" nBytes="{}"/></dmrpp:chunks>'
    body = (
        '<Dimension name="x" size="4"/>'
        f'<Int32 name="lon"><Dim name="/x"/>{piece.format(16)}</Int32>'
        f'<Int32 name="v"><Dim name="x"/><Map name="/lon"/>'
        '<Attribute name="a" type="Container"><Attribute name="b" type="Float64">'
        f"<Value>1</Value><Value>NaN</Value></Attribute></Attribute>{piece.format(16)}</Int32>"
        '<Group name="g"><Dimension name="x" size="2"/><Enumeration name="E" basetype="UInt8"><EnumConst name="RED" value="1"/>'
        f'</Enumeration><Enum name="e" enum="/g/E"><Dim name="x"/>{piece.format(2)}</Enum>'
        f'<Int32 name="both"><Dim name="/x"/><Dim name="x"/>{piece.format(32)}</Int32></Group>'
    )
    group = parse(document(tmp_path, body))
    variable = array_of(group, "v")
    assert variable.metadata.dimension_names == ("x",)
    assert variable.metadata.attributes["coordinates"] == "lon"
    one, nan = variable.metadata.attributes["a"]["b"]
    assert one == 1
    assert np.isnan(nan)
    enum = array_of(group, "g/e")
    assert enum.dtype == np.uint8
    assert enum.metadata.attributes["enum"] == {"RED": 1}
    # The root's dimension is hidden by the group's own of that name.
    assert array_of(group, "g/both").metadata.dimension_names == ("_x", "x")
    assert array_of(parse(tmp_path / "data.h5.dmrpp", group="g"), "e").shape == (2,)
    assert dict(vz.open_virtual_dataset(tmp_path / "data.h5.dmrpp").sizes) == {"x": 4}


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("Int8", "-1", np.int8(-1)),
        ("Byte", "255", np.uint8(255)),
        ("UInt64", "18446744073709551615", np.uint64(2**64 - 1)),
        ("Float32", "9.96921e+36", np.float32(9.969209968386869e36)),
        ("Float64", "nan", np.float64("nan")),
        ("Float64", "-9999.9", np.float64(-9999.9)),
    ],
)
def test_fill_values(tmp_path: Path, kind: str, text: str, expected: Any) -> None:
    raw(tmp_path, b"")
    body = f'<{kind} name="x"><Dim size="3"/><dmrpp:chunks fillValue="{text}"/></{kind}>'
    assert_values_equal(read(array_of(parse(document(tmp_path, body)), "x")), np.full(3, expected))


@pytest.mark.parametrize(
    "body",
    [
        '<Int32 name="x"/>',
        '<Opaque name="x"><dmrpp:chunk offset="0" nBytes="4"/></Opaque>',
        '<Int32 name="x"><Dim size="1"/><dmrpp:chunks fillValue="unsupported-compound"/></Int32>',
        '<Int32 name="x"><dmrpp:chunks compressionType="szip"><dmrpp:chunk offset="0" nBytes="4"/></dmrpp:chunks></Int32>',
        '<String name="x"><Dim size="2"/><dmrpp:chunks><dmrpp:chunk offset="0" nBytes="32"/></dmrpp:chunks></String>',
        '<String name="x"><dmrpp:chunks><dmrpp:chunk offset="0" nBytes="16"/></dmrpp:chunks></String>',
        (
            '<Byte name="x"><Dim size="2"/><dmrpp:chunks><dmrpp:chunkDimensionSizes>1</dmrpp:chunkDimensionSizes>'
            '<dmrpp:chunk offset="0" nBytes="1" chunkPositionInArray="[0,0]"/></dmrpp:chunks></Byte>'
        ),
    ],
    ids=[
        "no-place",
        "opaque",
        "flagged",
        "szip",
        "strings-of-unknown-length",
        "reference-to-a-string",
        "positions-of-another-rank",
    ],
)
def test_one_bad_variable_is_refused_by_name_and_the_rest_stays(tmp_path: Path, body: str) -> None:
    raw(tmp_path, bytes([5, 0, 0, 0]) + bytes(8) + bytes([1, 0, 0, 0]))
    sound = '<Int32 name="ok"><dmrpp:chunk offset="0" nBytes="4"/></Int32>'
    group = parse(document(tmp_path, body + sound))
    assert group.unreadable["x"].reason.endswith(".")
    assert read(array_of(group, "ok")).item() == 5
    with pytest.raises(UnvirtualizableError):
        DMRPPParser().load(tmp_path / "data.h5.dmrpp", None, "x")


# -- where the data are -----------------------------------------------------------------------------------------------


def test_data_elsewhere_and_what_is_requested(tmp_path: Path) -> None:
    store = MemoryStore()
    body = '<Int32 name="x"><Dim size="2"/><dmrpp:chunk offset="4" nBytes="8"/></Int32>'
    text = DATASET.format(body=body, version="").replace(
        'href="data.h5"', 'href="OPeNDAP_DMRpp_DATA_ACCESS_URL"'
    )
    obstore.put(store, "a/f.h5.dmrpp", text.encode())
    obstore.put(store, "a/f.h5", b"head" + np.array([7, 8], "<i4").tobytes())
    log = RequestLog()
    registry = StoreRegistry({"memory://bucket": store}, log=log)
    group = DMRPPParser()("memory://bucket/a/f.h5.dmrpp", registry)
    assert len(log.requests) <= 3
    array = array_of(group, "x")
    assert array.manifest.urls == ("memory://bucket/a/f.h5",)
    assert read_array(array, registry).tolist() == [7, 8]
    obstore.put(store, "b.bin", bytes(12))
    other = DMRPPParser(data_url="memory://bucket/b.bin")("memory://bucket/a/f.h5.dmrpp", registry)
    assert read_array(array_of(other, "x"), registry).tolist() == [0, 0]


def test_a_remote_document_may_not_name_files_of_this_machine() -> None:
    store = MemoryStore()
    body = '<Int32 name="x"><dmrpp:chunk offset="0" nBytes="4" href="file:///etc/passwd"/></Int32>'
    obstore.put(store, "f.dmrpp", DATASET.format(body=body, version="").encode())
    group = DMRPPParser()("memory://bucket/f.dmrpp", StoreRegistry({"memory://bucket": store}))
    assert "file:///etc/passwd" in group.unreadable["x"].reason


MISPLACED = (
    '<Int32 name="x"><Dim size="4"/><dmrpp:chunks><dmrpp:chunkDimensionSizes>2</dmrpp:chunkDimensionSizes>'
    '<dmrpp:chunk offset="0" nBytes="8" chunkPositionInArray="[1]"/></dmrpp:chunks></Int32>'
)


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE d SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
    ids=["entities", "external-type", "external-entity"],
)
def test_document_types_are_refused(tmp_path: Path, prolog: str) -> None:
    path = document(tmp_path, "")
    path.write_text(prolog + path.read_text())
    with pytest.raises(CorruptFileError, match="document type"):
        parse(path)


@pytest.mark.parametrize(
    "body",
    [
        "<Group>",
        "<Group name='a'>" * 200 + "</Group>" * 200,
        '<Int32 name="x"><Dim size="999999999999999999999"/></Int32>',
        '<Int32 name="x"><Dim name="nowhere"/></Int32>',
        '<Int32 name="x"><Dim size="2"/><dmrpp:chunk offset="0" nBytes="999"/></Int32>',
        '<Int32 name="x"><Dim size="2"/><dmrpp:chunk offset="-1" nBytes="8"/></Int32>',
        '<Int32 name="x"><Dim size="2"/><dmrpp:compact>AAAA</dmrpp:compact></Int32>',
        '<String name="x"><Dim size="2"/><dmrpp:vlsa><v c="99999999999">a</v></dmrpp:vlsa></String>',
        MISPLACED,
    ],
    ids=[
        "unclosed",
        "deep",
        "huge",
        "no-dimension",
        "past-the-end",
        "negative",
        "short-inline",
        "many-strings",
        "misplaced",
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, body: str) -> None:
    raw(tmp_path, bytes(64))
    path = document(tmp_path, body)
    try:
        group = parse(path)
    except CorruptFileError:
        return
    assert list(group.unreadable) == ["x"]


def test_other_xml(tmp_path: Path) -> None:
    path = tmp_path / "x.dmrpp"
    path.write_text("<html/>")
    with pytest.raises(UnsupportedFormatError, match="Dataset"):
        parse(path)


@settings(
    max_examples=100,
    deadline=20_000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(32, 126)), min_size=1, max_size=4))
def test_mutated_documents_never_do_more_than_raise(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    raw(tmp_path, bytes(4096))
    piece = '<dmrpp:chunk offset="{}" nBytes="16" chunkPositionInArray="[{},0]"/>'
    body = (
        '<Dimension name="y" size="4"/><Int32 name="x"><Dim name="/y"/><Dim size="2"/><dmrpp:chunks compressionType="deflate" '
        'deflateLevel="4" fillValue="0" byteOrder="LE"><dmrpp:chunkDimensionSizes>2 2</dmrpp:chunkDimensionSizes>'
        f"{piece.format(0, 0)}{piece.format(16, 2)}</dmrpp:chunks></Int32>"
    )
    path = document(tmp_path, body)
    data = bytearray(path.read_bytes())
    for at, byte in changes:
        data[at % len(data)] = byte
    path.write_bytes(data)
    try:
        group = parse(path)
        for _, array in group.walk_arrays():
            if array.nbytes < 10**6:
                read(array)
    except VzlabError:
        return


# -- real files -------------------------------------------------------------------------------------------------------


def test_beside_the_file_itself() -> None:
    path = corpus_file("dmrpp/OPENDAP__bes/multi_chunks.h5.d/multi_chunks.h5.dmrpp")
    described = parse(path)
    with h5py.File(path.with_suffix("")) as file:
        for name, dataset in file.items():
            assert_values_equal(read(array_of(described, name)), dataset[()])
