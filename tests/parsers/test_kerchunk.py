"""Kerchunk references as JSON and Python objects, beside fsspec's reference file system with zarr."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
import zarr.storage
from hypothesis import given, settings
from hypothesis import strategies as st

import vzlab as vz
from tests.parsers.reference_sets import (
    assert_same,
    in_a_file,
    v2_store,
    values_of,
    with_fsspec,
    written_json,
)
from tests.servers.http_server import HttpServer
from vzlab.errors import CorruptFileError, UnsupportedFormatError, VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import KerchunkParser
from vzlab.parsers.kerchunk.templates import MAX_GENERATED
from vzlab.storage import RequestLog, StoreRegistry

RAMP = np.arange(24, dtype="i4").reshape(4, 6)


@pytest.fixture
def references(tmp_path: Path) -> dict[str, Any]:
    return in_a_file(v2_store(x={"data": RAMP, "chunks": (2, 3), "fill_value": None}), tmp_path / "data.bin")


def only(group: ManifestGroup) -> ManifestArray:
    """The one array of a group in which nothing was refused."""
    assert not group.unreadable, {name: u.reason for name, u in group.unreadable.items()}
    (array,) = group.arrays.values()
    return array


def refused(references: Any, name: str = "x") -> str:
    """The reason for which a variable is refused."""
    return KerchunkParser()(references).unreadable[name].reason


ARRAYS: dict[str, Any] = {
    "plain": RAMP,
    "big-endian": RAMP.astype(">f8"),
    "order F": {"data": RAMP, "chunks": (3, 4), "order": "F"},
    "one dimension": {"data": np.arange(10.0), "chunks": (3,)},
    "no dimensions": np.array(7, "i2"),
    "no length": np.zeros((0, 3), "u1"),
    "filters and a compressor": {
        "data": RAMP,
        "chunks": (4, 3),
        "filters": [numcodecs.Delta("i4"), numcodecs.Shuffle(4)],
        "compressors": numcodecs.Zlib(2),
    },
    "blosc": {"data": RAMP, "chunks": (2, 6), "compressors": numcodecs.Blosc()},
    "datetimes": np.array(["2000-01-01", "NaT"], "M8[s]"),
    "bytes": np.array([b"ab", b"c", b""], "S3"),
    "text": np.array(["né", "", "long one"], "U8"),
    "records": np.array([(1, 2.5), (3, -1.0)], [("a", "<i2"), ("b", "<f8")]),
    "booleans": np.array([True, False]),
    "complex": np.array([1 + 2j, 3]),
    "separator": {"data": RAMP, "chunks": (1, 2), "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "missing chunks": {"data": np.where(RAMP < 12, 0, RAMP), "chunks": (2, 2), "fill_value": 0},
    "edge": {"data": RAMP, "chunks": (3, 5), "fill_value": -1},
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.filterwarnings(
    "ignore::zarr.errors.ZarrUserWarning", "ignore::zarr.errors.UnstableSpecificationWarning"
)
def test_arrays_read_as_with_fsspec_and_zarr(kind: str, tmp_path: Path) -> None:
    made = in_a_file(v2_store(x=ARRAYS[kind]), tmp_path / "data.bin")
    group = KerchunkParser()(written_json(made, tmp_path / "refs.json"))
    assert not group.unreadable
    assert_same(values_of(group), with_fsspec(made))
    assert group == KerchunkParser()(made)


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_text_of_any_length(tmp_path: Path) -> None:
    store = v2_store(x={"data": np.array(["a", "longer", ""], dtype=np.dtypes.StringDType()), "chunks": (2,)})
    made = in_a_file(store, tmp_path / "data.bin")
    assert values_of(KerchunkParser()(made))["x"].tolist() == ["a", "longer", ""]


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("encoding", ["default", "v2"])
def test_metadata_of_zarr_v3(separator: str, encoding: str, tmp_path: Path) -> None:
    held: dict[str, Any] = {}
    root = zarr.open_group(zarr.storage.MemoryStore(held), mode="w", zarr_format=3)
    root.attrs["title"] = "t"
    for name, data in {"a/x": RAMP, "a/b/s": np.array(5.0)}.items():
        root.create_array(
            name,
            data=data,
            chunks=tuple(max(n // 2, 1) for n in data.shape),
            dimension_names=list("yx")[: data.ndim],
            chunk_key_encoding={"name": encoding, "separator": separator},
        )
    made = in_a_file({key: value.to_bytes() for key, value in held.items()}, tmp_path / "d")
    group = KerchunkParser()(written_json(made, tmp_path / "refs.json"))
    assert group.attributes["title"] == "t"
    assert group["a/x"].metadata.dimension_names == ("y", "x")  # type: ignore[union-attr]
    assert_same(values_of(group), with_fsspec(made))


def test_groups_attributes_and_dimensions(tmp_path: Path) -> None:
    arrays = {
        "a__x": {
            "data": RAMP,
            "chunks": (2, 6),
            "attributes": {"_ARRAY_DIMENSIONS": ["y", "x"], "units": "K"},
        },
        "a__b__z": np.arange(3),
    }
    store = v2_store(**arrays)
    store[".zattrs"] = b'{"title": "t"}'
    made = in_a_file(store, tmp_path / "d")
    del made["refs"]["a/b/.zgroup"]  # a group on the way that nobody declared
    group = KerchunkParser()(made)
    assert group.attributes == {"title": "t"}
    x = group["a/x"]
    assert isinstance(x, ManifestArray)
    assert x.metadata.dimension_names == ("y", "x")
    assert x.metadata.attributes["units"] == "K"
    assert_same(values_of(group), {"a/x": RAMP, "a/b/z": np.arange(3)})
    assert KerchunkParser(group="a/b")(made) == group.groups["a"].groups["b"]
    assert list(dict(KerchunkParser(drop_variables=["b"])(made).walk_arrays())) == ["a/x"]
    with pytest.raises(KeyError, match="'nowhere'"):
        KerchunkParser(group="nowhere")(made)


def test_an_array_without_a_group_is_called_after_its_file(tmp_path: Path) -> None:
    store = {key.removeprefix("x/"): value for key, value in v2_store(x=RAMP).items() if key.startswith("x/")}
    made = in_a_file(store, tmp_path / "d")
    group = KerchunkParser()(written_json(made, tmp_path / "sst.json"))
    assert_same(values_of(group), {"sst": RAMP})


def test_fill_value_is_what_readers_of_zarr_v2_mask(tmp_path: Path) -> None:
    masked = {"data": np.array([1.0, -9.0]), "fill_value": -9.0, "attributes": {"_ARRAY_DIMENSIONS": ["i"]}}
    store = v2_store(x=masked, n={"data": np.array([1, 2]), "attributes": {"_ARRAY_DIMENSIONS": ["i"]}})
    store["n/.zarray"] = json.dumps(json.loads(store["n/.zarray"]) | {"fill_value": None}).encode()
    made = in_a_file(store, tmp_path / "d")
    group = KerchunkParser()(made)
    assert group.arrays["x"].metadata.attributes["_FillValue"] == -9.0
    assert "_FillValue" not in group.arrays["n"].metadata.attributes
    dataset = xr.open_zarr(vz.ManifestStore(group), consolidated=False, chunks=None)
    np.testing.assert_array_equal(dataset.x, [1, np.nan])


def test_a_chunk_without_a_reference_is_missing(references: dict[str, Any]) -> None:
    del references["refs"]["x/0.1"]
    array = only(KerchunkParser()(references))
    assert array.manifest.reference((0, 1)).state == "missing"
    assert_same(values_of(KerchunkParser()(references)), with_fsspec(references))


def test_references_outside_of_the_grid_are_of_no_array(references: dict[str, Any]) -> None:
    for name in ("9.9", "0.0.0", "00.0", "+1.0", "-1.0", "0 .1", "c/0/0", "²", "x" * 10_000):
        references["refs"][f"x/{name}"] = ["/nowhere", 0, 1]
    references["refs"]["y/0"] = ["/nowhere", 0, 1]
    array = only(KerchunkParser()(references))
    assert array.manifest.urls == tuple({array.manifest.urls[0]})
    assert_same(values_of(KerchunkParser()(references)), {"x": RAMP})


# -- inline -----------------------------------------------------------------------------------------------------------


def test_bytes_in_the_references(references: dict[str, Any], tmp_path: Path) -> None:
    data = np.arange(6, dtype="i4")
    store = v2_store(
        text={"data": np.frombuffer(b"plain text!?", "u1"), "compressors": None},
        coded={"data": data, "compressors": None},
        accents={"data": np.frombuffer("né".encode(), "u1"), "compressors": None},
    )
    refs: dict[str, Any] = {
        key: value.decode() for key, value in store.items() if "/.z" in key or key[0] == "."
    }
    refs |= {
        "text/0": "plain text!?",
        "coded/0": "base64:" + base64.b64encode(data.tobytes()).decode(),
        "accents/0": "né",
    }
    made = {"version": 1, "refs": refs}
    group = KerchunkParser()(written_json(made, tmp_path / "refs.json"))
    assert {array.manifest.n_inline for array in group.arrays.values()} == {1}
    assert_same(values_of(group), with_fsspec(made))


def test_bytes_that_are_no_base64_are_refused_by_variable(references: dict[str, Any]) -> None:
    references["refs"]["x/0.0"] = "base64:a"
    assert "is no base64" in refused(references)


def test_documents_as_objects_and_elsewhere(references: dict[str, Any], tmp_path: Path) -> None:
    refs = references["refs"]
    document = refs["x/.zarray"].encode()
    (tmp_path / "meta").write_bytes(b"..." + document)
    refs["x/.zarray"] = [str(tmp_path / "meta"), 3, len(document)]
    refs[".zgroup"] = json.loads(refs[".zgroup"])
    assert_same(values_of(KerchunkParser()(references)), {"x": RAMP})


def test_consolidated_metadata_alone(references: dict[str, Any]) -> None:
    refs = references["refs"]
    documents = {key: json.loads(refs.pop(key)) for key in list(refs) if ".z" in key}
    refs[".zmetadata"] = json.dumps({"zarr_consolidated_format": 1, "metadata": documents})
    assert_same(values_of(KerchunkParser()(references)), {"x": RAMP})


# -- targets ----------------------------------------------------------------------------------------------------------


def test_version_0(references: dict[str, Any], tmp_path: Path) -> None:
    refs = references["refs"]
    expected = with_fsspec(refs)
    assert_same(values_of(KerchunkParser()(refs)), expected)
    assert_same(values_of(KerchunkParser()(written_json(refs, tmp_path / "refs.json"))), expected)


def test_whole_files(tmp_path: Path) -> None:
    store = v2_store(x={"data": RAMP, "chunks": (2, 6)})
    refs: dict[str, Any] = {}
    for key, value in store.items():
        name = key.replace("/", "_")
        (tmp_path / name).write_bytes(value)
        refs[key] = value.decode() if ".z" in key else [str(tmp_path / name)]
    made = {"version": 1, "refs": refs}
    array = only(KerchunkParser()(made))
    assert array.manifest.lengths.tolist() == [[len(store["x/0.0"])], [len(store["x/1.0"])]]
    assert_same(values_of(KerchunkParser()(made)), with_fsspec(made))
    refs["x/0.0"] = [str(tmp_path / "gone")]
    assert "gone, of which the length cannot be found out" in refused(made)


def test_relative_paths_start_at_the_references(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    made = in_a_file(v2_store(x=RAMP), tmp_path / "a" / "data 1%.bin", shown="../data 1%.bin")
    path = written_json(made, tmp_path / "a" / "b" / "refs.json")
    assert_same(values_of(KerchunkParser()(path)), {"x": RAMP})


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("s3://bucket/a b%20c#1.nc", "s3://bucket/a%20b%2520c%231.nc"),
        ("simplecache::s3://bucket/a", "s3://bucket/a"),
        ("https://host/a%20b.nc?token=1", "https://host/a%20b.nc?token=1"),
        ("/data/50%.nc", "file:///data/50%25.nc"),
        ("file:///data/50%25.nc", "file:///data/50%2525.nc"),
        ("gs://b/c", "gs://b/c"),
    ],
)
def test_targets_as_fsspec_names_them(target: str, url: str, references: dict[str, Any]) -> None:
    refs = references["refs"]
    made = {key: [target, 0, 24] if isinstance(value, list) else value for key, value in refs.items()}
    assert only(KerchunkParser()(made)).manifest.urls == (url,)


def test_chains_of_file_systems_are_refused(references: dict[str, Any]) -> None:
    references["refs"]["x/0.0"] = ["zip://member::s3://bucket/a.zip", 0, 4]
    assert "inside of another archive" in refused(references)


# -- templates and generators -----------------------------------------------------------------------------------------


def test_templates_as_kerchunk_writes_them(references: dict[str, Any], tmp_path: Path) -> None:
    path = next(value[0] for value in references["refs"].values() if isinstance(value, list))
    folder, _, name = path.rpartition("/")
    refs = {
        key: ["{{d}}/" + name, *value[1:]] if isinstance(value, list) else value
        for key, value in references["refs"].items()
    }
    made = {"version": 1, "templates": {"d": folder}, "refs": refs}
    expected = with_fsspec(made)
    assert_same(values_of(KerchunkParser()(written_json(made, tmp_path / "r.json"))), expected)


# The example of the specification, https://fsspec.github.io/kerchunk/spec.html, "Version 1".
SPECIFIED = {
    "version": 1,
    "templates": {"u": "server.domain/path", "f": "{{c}}"},
    "gen": [
        {
            "key": "x/{{i}}",
            "url": "http://{{u}}_{{i}}",
            "offset": "{{(i + 1) * 1000}}",
            "length": "1000",
            "dimensions": {"i": {"stop": 5}},
        }
    ],
    "refs": {
        "x/5": ["http://target_url", 10000, 100],
        "x/6": ["http://{{u}}", 10000, 100],
        "x/7": ["http://{{f(c='text')}}", 10000, 100],
        "x/.zarray": {
            "zarr_format": 2,
            "shape": [8],
            "chunks": [1],
            "dtype": "|u1",
            "compressor": None,
            "filters": None,
            "fill_value": None,
            "order": "C",
        },
    },
}


def test_the_example_of_the_specification() -> None:
    array = only(KerchunkParser()(SPECIFIED))
    found = array.manifest.to_dict()
    for i in range(5):
        assert found[str(i)] == {
            "url": f"http://server.domain/path_{i}",
            "offset": 1000 * (i + 1),
            "length": 1000,
        }
    assert [found[str(i)]["url"] for i in (5, 6, 7)] == [  # type: ignore[call-overload]
        "http://target_url",
        "http://server.domain/path",
        "http://text",
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "unknown",
        "u.__class__",
        "u[0]",
        "f(u)",
        "f(**u)",
        "u * 10",
        "''.join(u)",
        "__import__('os')",
        "2 ** 9999999",
        "9 // 0",
        "lambda: 1",
        "u|upper",
        "(" * 150 + "1" + ")" * 140,
        "1 if u else 2",
        "f",
        "g()",
        "'%s' % u",
        "True",
    ],
)
def test_other_expressions_are_refused_by_name(expression: str) -> None:
    made = json.loads(json.dumps(SPECIFIED))
    made["templates"]["g"] = "{{g()}}"
    made["refs"]["x/5"] = ["{{" + expression + "}}", 0, 1]
    reason = refused(made)
    assert "is not understood" in reason
    assert expression[:50].split("'", maxsplit=1)[0] in reason


def test_generators_are_bounded() -> None:
    made = json.loads(json.dumps(SPECIFIED))
    for stop in (MAX_GENERATED + 1, 10**12, 10**400):
        made["gen"][0]["dimensions"] = {"i": {"stop": stop}}
        began = time.process_time()
        with pytest.raises((UnsupportedFormatError, CorruptFileError), match=r"more than|expected key"):
            KerchunkParser()(made)
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "change",
    [
        {"key": 5},
        {"offset": "text"},
        {"length": None},
        {"dimensions": []},
        {"dimensions": {"i": {"start": 0}}},
        {"url": "{{nothing}}"},
    ],
)
def test_bad_generators_are_refused(change: dict[str, Any]) -> None:
    made = json.loads(json.dumps(SPECIFIED))
    made["gen"][0] |= change
    with pytest.raises((UnsupportedFormatError, CorruptFileError), match="references"):
        KerchunkParser()(made)


# -- files ------------------------------------------------------------------------------------------------------------


def packed_gzip(data: bytes) -> bytes:
    return gzip.compress(data)


def packed_zstd(data: bytes) -> bytes:
    return bytes(numcodecs.Zstd(3).encode(data))


@pytest.mark.parametrize("pack", [packed_gzip, packed_zstd])
def test_packed_references(
    pack: Callable[[bytes], bytes], references: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "refs"
    path.write_bytes(pack(json.dumps(references).encode()))
    assert_same(values_of(vz.open_manifest_store(path).group), {"x": RAMP})
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CorruptFileError, match="refs"):
        KerchunkParser()(path)


def test_a_packed_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vzlab.parsers.kerchunk.json_set.MAX_JSON_BYTES", 10_000_000)
    path = tmp_path / "bomb"
    for pack in (packed_gzip, packed_zstd):
        path.write_bytes(pack(b'{"refs": {}}' + b" " * 50_000_000))
        with pytest.raises(CorruptFileError, match="more than 10,000,000 bytes"):
            KerchunkParser()(path)


def test_a_list_of_sets_becomes_groups(references: dict[str, Any], tmp_path: Path) -> None:
    other = in_a_file(v2_store(y=RAMP * 2), tmp_path / "other.bin")
    path = written_json([references, other], tmp_path / "refs.json")
    group = vz.open_manifest_store(path).group
    assert_same(values_of(group), {"0/x": RAMP, "1/y": RAMP * 2})
    assert KerchunkParser(group="1")(path).arrays.keys() == {"y"}
    with pytest.raises(KeyError, match="sets are 0 to 1"):
        KerchunkParser(group="2")(path)


def test_only_the_references_are_read(
    references: dict[str, Any], tmp_path: Path, http_server: Callable[..., HttpServer]
) -> None:
    server = http_server(tmp_path)
    url = server.url("refs.json")
    refs = {k: ["data.bin", *v[1:]] if isinstance(v, list) else v for k, v in references["refs"].items()}
    written_json({"version": 1, "refs": refs}, tmp_path / "refs.json")
    log = RequestLog()
    registry = StoreRegistry(log=log)
    group = KerchunkParser()(url, registry)
    assert {request.url for request in log.requests} == {url}
    assert len(log.requests) == 1
    assert vz.inspect(group) is not None
    assert len(log.requests) == 1
    assert_same(values_of(group, registry), {"x": RAMP})


def test_every_door_opens_references(references: dict[str, Any], tmp_path: Path) -> None:
    path = written_json(references, tmp_path / "refs.json")
    for x in (path, str(path), references):
        assert vz.open_virtual_dataset(x, loadable_variables=[]).x.shape == (4, 6)
        assert vz.open_virtual_dataset(x, loadable_variables=["x"]).x.values.tolist() == RAMP.tolist()
        assert "x" in str(vz.inspect(x))
        assert zarr.open_group(vz.open_manifest_store(x), mode="r")["x"][...].tolist() == RAMP.tolist()  # type: ignore[index]


def test_a_codec_that_only_zarr_v2_has_can_be_loaded(tmp_path: Path) -> None:
    data = np.array([1.5, 2.5, 3.5])
    store = v2_store(x={"data": data, "compressors": None})
    document = json.loads(store["x/.zarray"]) | {"compressor": {"id": "zlib_of_nobody"}}
    made = in_a_file(store | {"x/.zarray": json.dumps(document).encode()}, tmp_path / "d")
    reason = refused(made)
    assert "'zlib_of_nobody'" in reason
    with pytest.raises(VzlabError, match="zlib_of_nobody"):
        KerchunkParser().load(made, None, "x")
    words = np.array(["dry", "wet", "dry"])
    categories = {"id": "categorize", "labels": ["dry", "wet"], "dtype": "<U3", "astype": "|u1"}
    (tmp_path / "words").write_bytes(bytes(numcodecs.get_codec(categories).encode(words)))
    document = json.loads(v2_store(b=words)["b/.zarray"]) | {"compressor": None, "filters": [categories]}
    made = {"b/.zarray": json.dumps(document), "b/0": [str(tmp_path / "words")]}
    assert KerchunkParser()(made).unreadable["b"].loadable
    assert KerchunkParser().load(made, None, "b").tolist() == ["dry", "wet", "dry"]


def test_one_bad_variable_leaves_the_others(references: dict[str, Any]) -> None:
    refs = references["refs"]
    bad: dict[str, Any] = {
        "text": "no json",
        "list": "[]",
        "nothing": "{}",
        "shape": json.loads(refs["x/.zarray"]) | {"shape": [-1, 2]},
        "rank": json.loads(refs["x/.zarray"]) | {"shape": [4]},
        "dtype": json.loads(refs["x/.zarray"]) | {"dtype": "<i3"},
        "objects": json.loads(refs["x/.zarray"]) | {"dtype": "|O", "filters": [{"id": "pickle"}]},
        "fill": json.loads(refs["x/.zarray"]) | {"fill_value": {"a": 1}},
    }
    for name, document in bad.items():
        refs[f"{name}/.zarray"] = document
    refs["huge/.zarray"] = json.loads(refs["x/.zarray"]) | {"shape": [10**9, 10**9]}
    refs["huge/0.0"] = ["/f", 0, 1]
    group = KerchunkParser()(references)
    assert set(group.unreadable) == {*bad, "huge"}
    assert all(variable.reason.endswith(".") for variable in group.unreadable.values())
    assert_same({"x": values_of(group)["x"]}, {"x": RAMP})


@pytest.mark.parametrize(
    "entry",
    [
        ["/f", -1, 4],
        ["/f", 0, -4],
        ["/f", 0.5, 4],
        ["/f", "0", 4],
        ["/f", 0],
        [None, 0, 4],
        [],
        5,
        None,
        ["/f", 2**64, 1],
        ["/f", 0, 1 << 70],
        [["/f"], 0, 1],
    ],
)
def test_references_of_the_wrong_kind_are_refused(entry: Any, references: dict[str, Any]) -> None:
    references["refs"]["x/0.0"] = entry
    assert "Found the reference" in refused(references)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "5",
        '"refs"',
        '{"version": 2, "refs": {}}',
        '{"version": 1, "refs": []}',
        '{"version": 1, "refs": {}}',
        '{"version": 1, "refs": {"x/0": "a"}}',
        '{"version": 1, "refs": {".zgroup": "nothing"}}',
        '{"version": 1, "templates": [1], "refs": {".zgroup": {}}}',
        '{"version": 1, "gen": {"a": 1}, "refs": {".zgroup": {}}}',
        '{"version": 1, "templates": {"a": 5}, "refs": {".zgroup": {}}}',
        "[]",
        "[" * 200_000,
        '{"refs": ' * 100_000,
    ],
    ids=range(15),
)
def test_what_is_no_set_of_references_is_refused_with_its_url(content: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    began = time.process_time()
    with pytest.raises(VzlabError, match=r"some\.json"):
        KerchunkParser()(path)
    assert time.process_time() - began < 1


def test_a_million_references_take_seconds(tmp_path: Path) -> None:
    n = 200_000
    document = json.loads(
        v2_store(x={"shape": (n,), "chunks": (1,), "dtype": "u1", "compressors": None})["x/.zarray"]
    )
    rows = ",".join(f'"x/{i}":["s3://b/{i % 500}.nc",{i * 10},{i % 7 + 1}]' for i in range(n))
    path = tmp_path / "refs.json"
    path.write_text('{"version":1,"refs":{"x/.zarray":' + json.dumps(document) + "," + rows + "}}")
    began = time.process_time()
    manifest = only(KerchunkParser()(path)).manifest
    assert time.process_time() - began < 5
    assert len(manifest.sources) == 500
    assert manifest.reference((123_456,)).offset == 1_234_560
    assert manifest.reference((123_456,)).source is not None
    assert manifest.reference((123_456,)).source.url == "s3://b/456.nc"  # type: ignore[union-attr]
    assert int(manifest.lengths.sum()) == sum(i % 7 + 1 for i in range(n))


# -- fuzz -------------------------------------------------------------------------------------------------------------

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "{{u}}", "{{", "base64:", "|O", "<f8", "C", "\ud800", "s3://", "::", "%"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "name", "stop", "i"]), inner)
    ),
    max_leaves=6,
)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_change_to_a_document_is_told_or_harmless(data: st.DataObject) -> None:
    made = json.loads(json.dumps(SPECIFIED))
    place: Any = made
    for _ in range(data.draw(st.integers(1, 5))):
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
            break
        place = place[key]
    try:
        group = KerchunkParser()(made)
    except VzlabError:
        return
    for array in group.arrays.values():
        assert array.manifest.grid_shape == array.metadata.chunk_grid.grid_shape
    assert all(variable.reason.endswith(".") for variable in group.unreadable.values())
