"""Kerchunk references in directories of Parquet, beside fsspec's reader of them with zarr."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from fsspec.implementations.reference import LazyReferenceMapper

import vzlab as vz
from tests.parsers.reference_sets import assert_same, in_a_file, v2_store, values_of, with_fsspec
from tests.servers.http_server import HttpServer
from tests.servers.s3_server import S3Server
from vzlab.errors import CorruptFileError, VzlabError
from vzlab.parsers import KerchunkParser
from vzlab.storage import RequestLog, StoreRegistry

RAMP = np.arange(24, dtype="i4").reshape(4, 6)


def in_parquet(
    references: dict[str, Any], folder: Path, *, record_size: int = 3, engine: str = "pyarrow"
) -> Path:
    """Write references with fsspec's own writer."""
    lazy = LazyReferenceMapper.create(
        str(folder), fs=fsspec.filesystem("file"), record_size=record_size, engine=engine
    )
    for key, value in references["refs"].items():
        lazy[key] = value.encode() if isinstance(value, str) else value
    lazy.flush()
    return folder


@pytest.fixture
def references(tmp_path: Path) -> dict[str, Any]:
    arrays = {
        "x": {"data": RAMP, "chunks": (2, 2)},
        "a__b__y": {"data": RAMP * 2.5, "chunks": (4, 1)},
        "s": np.array(5, "i2"),
    }
    made = in_a_file(v2_store(**arrays), tmp_path / "data.bin")
    refs = made["refs"]
    path, offset, length = refs["x/0.1"]
    refs["x/0.1"] = "base64:" + base64.b64encode(Path(path).read_bytes()[offset : offset + length]).decode()
    del refs["x/1.2"]
    (tmp_path / "whole").write_bytes(
        Path(path).read_bytes()[(at := refs["x/0.0"][1]) : at + refs["x/0.0"][2]]
    )
    refs["x/0.0"] = [str(tmp_path / "whole")]
    return made


@pytest.mark.parametrize("engine", ["pyarrow", "fastparquet"])
@pytest.mark.parametrize("record_size", [1, 3, 4, 100])
@pytest.mark.filterwarnings("ignore:The 'fastparquet' engine")
def test_arrays_read_as_fsspec_reads_the_same_references(
    record_size: int, engine: str, references: dict[str, Any], tmp_path: Path
) -> None:
    folder = in_parquet(references, tmp_path / "refs.parq", record_size=record_size, engine=engine)
    group = KerchunkParser()(folder)
    assert not group.unreadable
    x = group.arrays["x"].manifest
    assert (x.n_virtual, x.n_inline, x.n_missing) == (4, 1, 1)
    # fsspec itself takes nulls for numbers, in its own files too: it is asked about the references as they were.
    assert_same(values_of(group), with_fsspec(references))
    assert group["a"] == KerchunkParser(group="a")(folder)


def test_the_same_as_json_says(references: dict[str, Any], tmp_path: Path) -> None:
    folder = in_parquet(references, tmp_path / "refs.parq")
    found, told = KerchunkParser()(folder), KerchunkParser()(references)
    assert dict(found.walk_arrays()).keys() == dict(told.walk_arrays()).keys()
    for path, array in found.walk_arrays():
        assert array.identical(told[path])  # type: ignore[arg-type]


def test_every_door_opens_it(references: dict[str, Any], tmp_path: Path) -> None:
    folder = in_parquet(references, tmp_path / "refs.parq")
    assert vz.open_virtual_datatree(folder, loadable_variables=[])["a/b/y"].shape == (4, 6)
    assert "x" in str(vz.inspect(folder))
    assert zarr.open_group(vz.open_manifest_store(folder), mode="r")["s"][()] == 5  # type: ignore[index]


def test_over_http_and_s3(
    references: dict[str, Any], tmp_path: Path, http_server: Callable[..., HttpServer], s3: S3Server
) -> None:
    shown = {k: ["../data.bin", *v[1:]] if isinstance(v, list) else v for k, v in references["refs"].items()}
    shown["x/0.0"] = ["../whole"]
    folder = in_parquet({"refs": shown}, tmp_path / "r.parq")
    expected = values_of(KerchunkParser()(folder))
    server = http_server(tmp_path)
    log = RequestLog()
    registry = StoreRegistry(log=log)
    group = KerchunkParser(drop_variables=["b"])(server.url("r.parq"), registry)
    read = {request.url.removeprefix(server.base_url) for request in log.requests}
    # Formats are told by what lies in a directory; then the metadata, the files of what was not dropped, and the file
    # that one reference is to all of.
    assert {name for name in read if "refs" in name} == {
        "/r.parq/x/refs.0.parq",
        "/r.parq/x/refs.1.parq",
        "/r.parq/s/refs.0.parq",
        "/r.parq/refs/branch.main/ref.json",
    } & read | {"/r.parq/x/refs.0.parq", "/r.parq/x/refs.1.parq", "/r.parq/s/refs.0.parq"}
    assert "/data.bin" not in read
    assert_same(values_of(group, registry), {path: expected[path] for path in ("s", "x")})

    bucket = s3.bucket()
    for file in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        bucket.upload(file, str(file.relative_to(tmp_path)))
    store = vz.open_manifest_store(bucket.url("r.parq"), storage_options=s3.storage_options)
    assert_same(values_of(store.group, store.registry), expected)


def table_at(folder: Path, name: str, **columns: Any) -> None:
    """Put another table in the place of one."""
    pq.write_table(pa.table(columns), folder / name)


def test_columns_of_other_types(tmp_path: Path, references: dict[str, Any]) -> None:
    folder = in_parquet(references, tmp_path / "r.parq", record_size=100)
    path, offset, length = (
        references["refs"]["s/0"] if "s/0" in references["refs"] else references["refs"]["s/"]
    )
    for columns in (
        {
            "path": pa.array([path], pa.large_string()),
            "offset": pa.array([offset], pa.int32()),
            "size": [length],
        },
        {"path": pa.array([path]).dictionary_encode(), "offset": [float(offset)], "size": [float(length)]},
        {"path": [path], "offset": [offset], "size": [length], "raw": pa.array([None], pa.null())},
        {"path": pa.array([None], pa.string()), "offset": [None], "size": [None], "raw": [b"\5\0"]},
    ):
        table_at(folder, "s/refs.0.parq", **columns)
        group = KerchunkParser(drop_variables=["x", "a"])(folder)
        assert not group.unreadable, group.unreadable
        if columns["path"] != pa.array([None], pa.string()):
            assert values_of(group)["s"] == 5


@pytest.mark.parametrize(
    "columns",
    [
        {"nothing": [1]},
        {"path": ["/f"], "offset": [-1], "size": [4]},
        {"path": ["/f"], "offset": [0], "size": [-4]},
        {"path": ["/f"], "offset": ["a"], "size": [4]},
        {"path": ["/f"], "offset": [0.5], "size": [4]},
        {"path": [5], "offset": [1], "size": [4]},
        {"raw": [[1, 2]]},
    ],
    ids=range(7),
)
def test_bad_tables_are_refused_by_variable(columns: Any, references: dict[str, Any], tmp_path: Path) -> None:
    folder = in_parquet(references, tmp_path / "r.parq")
    table_at(folder, "s/refs.0.parq", **columns)
    group = KerchunkParser()(folder)
    assert list(group.unreadable) == ["s"]
    assert group.unreadable["s"].reason.endswith(".")
    assert "x" in group.arrays


def test_a_damaged_file_is_refused_by_variable(references: dict[str, Any], tmp_path: Path) -> None:
    folder = in_parquet(references, tmp_path / "r.parq", record_size=100)
    sound = (folder / "x/refs.0.parq").read_bytes()
    expected = values_of(KerchunkParser()(folder))["x"]
    for n in range(0, len(sound), 37):
        for damaged in (sound[:n], sound[:n] + bytes([sound[n] ^ 0x55]) + sound[n + 1 :]):
            (folder / "x/refs.0.parq").write_bytes(damaged)
            group = KerchunkParser(drop_variables=["a", "s"])(folder)
            if "x" in group.unreadable:
                assert group.unreadable["x"].reason.endswith(".")
                continue
            try:
                found = values_of(group)["x"]
            except VzlabError:
                continue
            if n == 0 or damaged == sound[:n]:
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"metadata": {}}',
        '{"metadata": [], "record_size": 5}',
        '{"metadata": {}, "record_size": 0}',
    ],
)
def test_bad_metadata_are_refused_with_their_url(content: str, tmp_path: Path) -> None:
    (tmp_path / "r.parq").mkdir()
    (tmp_path / "r.parq" / ".zmetadata").write_text(content)
    with pytest.raises((CorruptFileError, VzlabError), match=r"r\.parq"):
        KerchunkParser()(tmp_path / "r.parq")


def test_many_files_are_not_looked_for(tmp_path: Path) -> None:
    document = json.loads(v2_store(x={"shape": (10**9,), "chunks": (1,), "dtype": "u1"})["x/.zarray"])
    (tmp_path / "r.parq").mkdir()
    content = {"metadata": {"x/.zarray": document}, "record_size": 1}
    (tmp_path / "r.parq" / ".zmetadata").write_text(json.dumps(content))
    began = time.process_time()
    assert "1,000,000,000 chunks; at most" in KerchunkParser()(tmp_path / "r.parq").unreadable["x"].reason
    assert time.process_time() - began < 1


def test_half_a_million_references_are_columns(tmp_path: Path) -> None:
    n, record = 500_000, 100_000
    document = json.loads(v2_store(x={"shape": (n,), "chunks": (1,), "dtype": "u1"})["x/.zarray"])
    folder = tmp_path / "r.parq"
    (folder / "x").mkdir(parents=True)
    (folder / ".zmetadata").write_text(
        json.dumps({"metadata": {"x/.zarray": document}, "record_size": record})
    )
    urls = pa.array([f"s3://b/{i}.nc" for i in range(500)])
    for number in range(n // record):
        rows = np.arange(number * record, (number + 1) * record)
        path = pa.DictionaryArray.from_arrays(pa.array((rows % 500).astype("i4")), urls)
        table_at(folder, f"x/refs.{number}.parq", path=path, offset=rows * 10 + 1, size=rows % 7)
    began = time.process_time()
    manifest = KerchunkParser()(folder).arrays["x"].manifest
    assert time.process_time() - began < 2
    assert manifest.n_virtual == n
    assert len(manifest.sources) == 500
    assert manifest.reference((123_456,)).offset == 1_234_561
