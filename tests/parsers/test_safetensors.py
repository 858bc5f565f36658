"""safetensors beside its own library: every data type, requests, and what is damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

import vzlab as vz
from tests.parsers.reading import assert_values_equal, read
from vzlab.codecs.floats import FloatBits
from vzlab.errors import CorruptFileError, UnsupportedCodecError, UnsupportedFormatError, VzlabError
from vzlab.parsers import SafetensorsParser
from vzlab.storage import RequestLog, StoreRegistry

DTYPES = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8", "c8"]
TENSORS = {
    f"layer.{i}.{dtype}": np.arange(6).reshape(2, 3).astype(dtype) for i, dtype in enumerate(DTYPES)
} | {
    "scalar": np.asarray(3.5),
    "empty": np.zeros((0, 4), "f4"),
    "inner_empty": np.zeros((4, 0), "f4"),
}


@pytest.fixture
def every_type(tmp_path: Path) -> Path:
    path = tmp_path / "all.safetensors"
    safetensors.numpy.save_file(TENSORS, path, metadata={"format": "np"})
    return path


def write_bits(path: Path, name: str, dtype: str, bits: Any) -> Path:
    """A file of a data type that numpy lacks, which the library takes for sound."""
    entry = {"dtype": dtype, "shape": list(bits.shape), "data_offsets": [0, bits.nbytes]}
    path.write_bytes(document({name: entry}, bits.tobytes()))
    with safetensors.safe_open(path, "np") as file:
        assert file.keys() == [name]
    return path


def test_every_type_reads_as_the_library_reads_it(every_type: Path) -> None:
    group = SafetensorsParser()(every_type)
    expected = safetensors.numpy.load_file(every_type)
    assert set(group.arrays) == set(expected) == set(TENSORS)
    for name, values in expected.items():
        assert_values_equal(read(group[name], name), values)
    assert group.attributes == {"format": "np"}
    assert_values_equal(SafetensorsParser().load(every_type, None, "scalar"), np.asarray(3.5))
    dataset = vz.open_virtual_dataset(every_type)
    assert "scalar" in dataset
    # One name for each length: tensors of one shape share their dimensions.
    assert sorted(dataset.sizes.values()) == [0, 2, 3, 4]


def e4m3(byte: int) -> float:
    """OFP8 specification, table 1, of one number."""
    sign, exponent, mantissa = byte >> 7, byte >> 3 & 15, byte & 7
    if (exponent, mantissa) == (15, 7):
        return float("nan")
    size = mantissa / 8 * 2.0**-6 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    return -size if sign else size


BYTES = np.arange(256, dtype="u1").reshape(16, 16)
PAIRS = np.arange(65536, dtype="<u2").reshape(256, 256)
FLOATS = [
    pytest.param("BF16", PAIRS, (PAIRS.astype("u4") << 16).view("f4"), id="bfloat16"),
    pytest.param("F8_E5M2", BYTES, (BYTES.astype("u2") << 8).view("f2").astype("f4"), id="e5m2"),
    pytest.param("F8_E4M3", BYTES, np.vectorize(e4m3)(BYTES).astype("f4"), id="e4m3"),
]


@pytest.mark.parametrize(("dtype", "bits", "expected"), FLOATS)
def test_floats_that_numpy_lacks_decode_to_float32(
    tmp_path: Path, dtype: str, bits: Any, expected: Any
) -> None:
    path = write_bits(tmp_path / "f.safetensors", "x", dtype, bits)
    array = SafetensorsParser(min_chunk_bytes=64)(path)["x"]
    assert array.manifest.n_chunks > 1
    found = read(array)
    assert_values_equal(found, expected)
    assert (np.signbit(found) == np.signbit(expected))[~np.isnan(expected)].all()


def test_a_written_store_opens_where_only_vzlab_is_installed(tmp_path: Path) -> None:
    path = write_bits(tmp_path / "f.safetensors", "x", "F8_E4M3", BYTES)
    vz.open_virtual_dataset(path).vzlab.to_kerchunk(tmp_path / "refs.json")
    code = (
        "import sys, zarr, fsspec\n"
        "store = zarr.storage.FsspecStore.from_url(f'reference::{sys.argv[1]}', storage_options={'asynchronous': True})\n"
        "assert 'vzlab' not in sys.modules\n"
        "print(zarr.open_array(store, path='x', mode='r')[0, 8], zarr.open_array(store, path='x', mode='r')[7, 14])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "refs.json")], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["0.015625", "448.0"], done.stderr


def test_what_has_no_codec_loses_one_tensor(tmp_path: Path) -> None:
    header = {
        "scales": {"dtype": "F8_E8M0", "shape": [2], "data_offsets": [0, 2]},
        "a/b": {"dtype": "U8", "shape": [1], "data_offsets": [2, 3]},
        "x": {"dtype": "U8", "shape": [1], "data_offsets": [3, 4]},
    }
    path = tmp_path / "f.safetensors"
    path.write_bytes(document(header, b"\1\2\3\4"))
    group = SafetensorsParser()(path)
    assert read(group["x"]).tolist() == [4]
    assert "F8_E8M0" in group.unreadable["scales"].reason
    assert "a/b" in group.unreadable["a/b"].reason


def document(header: Any, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_the_header_is_all_that_is_read() -> None:
    header = {"x": {"dtype": "U8", "shape": [1 << 20], "data_offsets": [0, 1 << 20]}}
    store, log = MemoryStore(), RequestLog()
    obstore.put(store, "f", document(header, bytes(1 << 20)))
    group = SafetensorsParser()("memory://bucket/f", StoreRegistry({"memory://bucket": store}, log=log))
    assert group["x"].metadata.chunks == (65_536,)
    assert [request.length for request in log.requests] == [65_536]


X = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(document({"x": X}, b"123"), "end at byte", id="cut"),
        pytest.param(document({"x": X}, b"12345"), "end at byte", id="too-long"),
        pytest.param(document({"x": X | {"shape": [5]}}, b"1234"), "needs 5 bytes", id="shape"),
        pytest.param(document({"x": X | {"shape": [-4]}}, b"1234"), "expected dtype, shape", id="negative"),
        pytest.param(document({"x": X | {"shape": [True]}}, b"1234"), "expected dtype, shape", id="bool"),
        pytest.param(document({"x": X | {"data_offsets": [1, 5]}}, b"12345"), "begins at byte", id="hole"),
        pytest.param(document({"x": X, "y": X}, b"1234"), "begins at byte", id="overlap"),
        pytest.param(document({"x": 3}, b"1234"), "expected dtype, shape", id="no-object"),
        pytest.param(document({"__metadata__": []}, b""), "expected an object", id="metadata"),
        pytest.param(document(b'{"x":1,"x":1}', b""), "a name comes twice", id="twice"),
        pytest.param(document(b'{"x":' + b"[" * 100_000, b""), "no sound JSON", id="deep"),
        pytest.param((1 << 20).to_bytes(8, "little") + b"{}", "header should end", id="long-header"),
        pytest.param(
            document({"x": X | {"shape": [1 << 62, 1 << 62]}}, b"1234"), "needs", id="billions-of-elements"
        ),
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=message):
        SafetensorsParser()(path)
    with pytest.raises(safetensors.SafetensorError):
        safetensors.numpy.load_file(path)


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    for content in (b"", b"short", b"not safetensors at all"):
        path.write_bytes(content)
        with pytest.raises(UnsupportedFormatError, match="no safetensors file"):
            SafetensorsParser()(path)
    path.write_bytes(document({"x": X}, b"1234"))
    with pytest.raises(KeyError, match="there are no groups"):
        SafetensorsParser(group="g")(path)


@settings(max_examples=100, deadline=20_000, derandomize=True, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=2))
def test_changed_bytes_are_refused_or_read_as_the_library_reads_them(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    raw = bytearray(
        safetensors.numpy.save({"a": np.arange(6.0).reshape(2, 3), "b": np.arange(3, dtype="i2")})
    )
    for at, value in changes:
        raw[at % len(raw)] = value
    path = tmp_path / "f.safetensors"
    path.write_bytes(raw)
    try:
        group = SafetensorsParser()(path)
        expected = safetensors.numpy.load_file(path)
    except (VzlabError, safetensors.SafetensorError, KeyError, AttributeError, TypeError):
        return
    for name, array in group.arrays.items():
        if array.metadata.codecs[-1]["name"] == "bytes":
            assert_values_equal(read(array, name), expected[name])


def test_kinds_of_largest_exponent() -> None:
    layout: dict[str, Any] = {"elementsize": 1, "sign": 7, "exponent": 3, "exponent_bits": 4, "mantissa": 0}
    layout |= {"mantissa_bits": 3, "bias": 7}
    with pytest.raises(UnsupportedCodecError):
        FloatBits(**layout, endian="little", decoded_size=4, specials="none")
    assert "specials" not in FloatBits(**layout, endian="little", decoded_size=4).get_config()
    assert (
        FloatBits(**layout, endian="little", decoded_size=4, specials="fn").get_config()["specials"] == "fn"
    )
