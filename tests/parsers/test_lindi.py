"""LINDI files, written as its specification says, beside the HDF5 file that they stand for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numcodecs
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.parsers.reading import read
from tests.servers.http_server import HttpServer
from vzlab.detection import detect_format
from vzlab.errors import CorruptFileError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import LINDIParser

RECORD = np.dtype([("x", "<i4"), ("weight", "<f8"), ("of", h5py.ref_dtype)])


def reference_to(path: str) -> dict[str, Any]:
    return {"_REFERENCE": {"source": ".", "path": path, "object_id": "", "source_object_id": ""}}


def zarray(shape: Any, dtype: str, chunks: Any = None, **more: Any) -> str:
    document = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks or shape,
        "dtype": dtype,
        "compressor": None,
    }
    return json.dumps({**document, "filters": None, "fill_value": None, "order": "C", **more})


def as_json(values: Any) -> str:
    """A chunk of objects, as numcodecs has it."""
    items = np.empty(np.shape(values), object)
    flat = np.asarray(values, object).reshape(items.size, -1)[:, 0] if items.ndim > 1 else values
    items.reshape(-1)[:] = list(flat)
    return bytes(numcodecs.JSON().encode(items)).decode()


def records_json(rows: list[Any]) -> str:
    items = np.empty(len(rows), object)
    items[:] = [tuple(row) for row in rows]
    return bytes(numcodecs.JSON().encode(items)).decode()


OBJECTS: dict[str, Any] = {"dtype": "|O", "filters": [{"id": "json2"}]}


@pytest.fixture
def hdf5(tmp_path: Path) -> Path:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "of everything"
        group = file.create_group("acquisition")
        chunked = group.create_dataset(
            "series", data=np.arange(24.0).reshape(6, 4), chunks=(2, 4), compression="gzip"
        )
        chunked.attrs["electrodes"] = group.ref
        group["rate"] = np.float64(30000.5)
        group["name"] = "née"
        group["labels"] = np.array([["a", "bé"], ["", "d"]], h5py.string_dtype())
        group["objects"] = np.array([group.ref, chunked.ref, h5py.Reference()], h5py.ref_dtype)
        table = np.zeros(2, RECORD)
        table["x"], table["weight"] = [1, 2], [0.5, np.pi]
        table["of"] = [chunked.ref, group.ref]
        group["table"] = table
        group.create_dataset("large", data=np.arange(5000, dtype=">i2"), chunks=(3,))
        group["linked"] = h5py.SoftLink("/acquisition/series")
        file["again"] = h5py.SoftLink("/acquisition")
    return path


def references(hdf5: Path, url: str = "data.h5") -> dict[str, Any]:
    refs: dict[str, Any] = {
        ".zgroup": '{"zarr_format": 2}',
        ".zattrs": json.dumps({"title": "of everything", "first": reference_to("/acquisition/series")}),
        "acquisition/.zgroup": '{"zarr_format": 2}',
    }
    with h5py.File(hdf5) as file:
        group = file["acquisition"]
        dataset = group["series"].id
        for i in range(dataset.get_num_chunks()):
            chunk = dataset.get_chunk_info(i)
            row, column = np.array(chunk.chunk_offset) // (2, 4)
            refs[f"acquisition/series/{row}.{column}"] = [url, chunk.byte_offset, chunk.size]
        table = [[int(r["x"]), float(r["weight"]), reference_to(file[r["of"]].name)] for r in group["table"]]
        refs["acquisition/rate/0"] = as_bytes(np.array([group["rate"][()]]))
        refs["acquisition/name/0"] = as_json([group["name"].asstr()[()]])
        refs["acquisition/labels/0.0"] = json.dumps([*group["labels"].asstr()[:].tolist(), "|O", [2, 2]])
        refs["acquisition/objects/0"] = records_objects(file, group["objects"][:])
        refs["acquisition/table/0"] = records_json(table)
    series = {"electrodes": reference_to("/acquisition"), "_ARRAY_DIMENSIONS": ["time", "channel"]}
    compound = [["x", "int32"], ["weight", "float64"], ["of", "<REFERENCE>"]]
    link = {"link_type": "hdf5_dataset", "url": url, "name": "/acquisition/large"}
    for name, document, attributes in [
        ("series", zarray([6, 4], "<f8", [2, 4], filters=[{"id": "zlib", "level": 4}]), series),
        ("rate", zarray([1], "<f8"), {"_SCALAR": True, "unit": "Hz"}),
        ("name", zarray([1], **OBJECTS), {"_SCALAR": True}),
        ("labels", zarray([2, 2], **OBJECTS), {}),
        ("objects", zarray([3], **OBJECTS), {}),
        ("table", zarray([2], **OBJECTS), {"_COMPOUND_DTYPE": compound}),
        ("large", zarray([5000], ">i2", [3]), {"_EXTERNAL_ARRAY_LINK": link, "kept": 1}),
    ]:
        refs[f"acquisition/{name}/.zarray"] = document
        refs[f"acquisition/{name}/.zattrs"] = json.dumps(attributes)
    for path, target in [("acquisition/linked", "/acquisition/series"), ("again", "/tables")]:
        refs[f"{path}/.zgroup"] = '{"zarr_format": 2}'
        refs[f"{path}/.zattrs"] = json.dumps({"_SOFT_LINK": {"path": target}})
    refs["tables/.zgroup"] = '{"zarr_format": 2}'
    refs["tables/one/.zarray"] = zarray([1], "<f8")
    refs["tables/one/0"] = as_bytes(np.array([7.0]))
    return {"version": 1, "refs": refs, "generationMetadata": {"generatedBy": "a test"}}


def as_bytes(values: Any) -> str:
    import base64

    return "base64:" + base64.b64encode(values.tobytes()).decode()


def records_objects(file: h5py.File, values: Any) -> str:
    return json.dumps([*(reference_to(file[r].name) if r else None for r in values), "|O", [len(values)]])


@pytest.fixture
def lindi(hdf5: Path) -> Path:
    path = hdf5.with_name("data.lindi.json")
    path.write_text(json.dumps(references(hdf5)))
    return path


def acquisition(path: Any, **options: Any) -> ManifestGroup:
    found = vz.open_group(path, **options)["acquisition"]
    assert isinstance(found, ManifestGroup)
    return found


def test_everything_is_as_h5py_gives_it(hdf5: Path, lindi: Path) -> None:
    assert detect_format(lindi).key == "lindi"
    group = acquisition(lindi)
    assert group.unreadable == {}
    with h5py.File(hdf5) as file:
        native = file["acquisition"]
        for name in ("series", "rate", "large", "linked"):
            found = read(group.arrays[name])
            np.testing.assert_array_equal(found, native[name][()])
            assert found.shape == native[name].shape
        assert read(group.arrays["name"]).item() == native["name"].asstr()[()]
        np.testing.assert_array_equal(read(group.arrays["labels"]), native["labels"].asstr()[:])
        paths = [file[r].name if r else "" for r in native["objects"][:]]
        assert read(group.arrays["objects"]).tolist() == paths
        table, wanted = read(group.arrays["table"]), native["table"][:]
        np.testing.assert_array_equal(table["x"], wanted["x"])
        np.testing.assert_array_equal(table["weight"], wanted["weight"])
        assert table["of"].tolist() == [file[r].name for r in wanted["of"]]


def test_attributes_and_links(lindi: Path) -> None:
    root = vz.open_group(lindi)
    assert root.attributes == {"title": "of everything", "first": "/acquisition/series"}
    group = acquisition(lindi)
    assert group.arrays["series"].metadata.attributes == {"electrodes": "/acquisition"}
    assert group.arrays["series"].metadata.dimension_names == ("time", "channel")
    assert group.arrays["rate"].metadata.attributes == {"unit": "Hz"}
    assert group.arrays["large"].metadata.attributes == {"kept": 1}
    assert group.arrays["large"].manifest.n_virtual == 1667
    assert read(root["again"]["one"]).tolist() == [7.0]  # type: ignore[index]


def test_xarray_opens_it_through_a_server(http_server: Callable[..., HttpServer], lindi: Path) -> None:
    server = http_server(lindi.parent)
    with xr.open_dataset(server.url(lindi.name), engine="vzlab", group="acquisition") as ds:  # type: ignore[arg-type]
        assert ds.series.sel(time=3).values.tolist() == [12, 13, 14, 15]
        assert ds.large.values[-1] == 4999
    opened = {request.path for request in server.requests}
    assert opened == {"/data.lindi.json", "/data.h5"}


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (
            "large/.zattrs",
            {"_EXTERNAL_ARRAY_LINK": {"link_type": "zarr"}},
            "expected the link_type 'hdf5_dataset'",
        ),
        (
            "large/.zattrs",
            {
                "_EXTERNAL_ARRAY_LINK": {
                    "link_type": "hdf5_dataset",
                    "url": "data.h5",
                    "name": "/acquisition/none",
                }
            },
            "where no dataset is",
        ),
        (
            "large/.zattrs",
            {"_EXTERNAL_ARRAY_LINK": {"link_type": "hdf5_dataset", "url": "gone.h5", "name": "/x"}},
            "gone.h5",
        ),
        ("linked/.zattrs", {"_SOFT_LINK": {"path": "/acquisition/linked"}}, "in a circle"),
        ("linked/.zattrs", {"_SOFT_LINK": {"path": "/nowhere/at/all"}}, "where nothing is"),
        ("linked/.zattrs", {"_SOFT_LINK": {"path": "/"}}, "holds links itself"),
        ("linked/.zattrs", {"_SOFT_LINK": 3}, "without a path"),
        ("labels/0.0", "[1, 2", "no JSON"),
        ("labels/0.0", '[["a", 3], ["b", "c"], "|O", [2, 2]]', "neither text nor a reference"),
        ("labels/0.0", ["data.h5", 0, 10], "expected JSON within the file"),
        (
            "rate/.zarray",
            {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "<f8", "compressor": None},
            "scalar",
        ),
        ("table/.zattrs", {"_COMPOUND_DTYPE": [["x", "no such type"]]}, "no such type"),
    ],
)
def test_one_bad_variable_leaves_the_rest(hdf5: Path, lindi: Path, key: str, value: Any, reason: str) -> None:
    content = references(hdf5)
    content["refs"][f"acquisition/{key}"] = value if isinstance(value, str | list) else json.dumps(value)
    lindi.write_text(json.dumps(content))
    group = acquisition(lindi)
    name = key.partition("/")[0]
    assert list(group.unreadable) == [name]
    assert reason in group.unreadable[name].reason
    assert group.unreadable[name].reason.endswith(".")
    assert isinstance(group.arrays["series"], ManifestArray)


def test_groups_of_choice_dropped_names_and_damage(lindi: Path) -> None:
    assert "series" in LINDIParser(group="acquisition", drop_variables=["large"])(lindi).arrays
    assert "large" not in LINDIParser(group="acquisition", drop_variables=["large"])(lindi).arrays
    assert LINDIParser().load(lindi, None, "acquisition/rate").item() == 30000.5
    with pytest.raises(KeyError, match="absent"):
        LINDIParser(group="absent")(lindi)
    lindi.write_bytes(lindi.read_bytes()[:-300])
    with pytest.raises(CorruptFileError, match=r"data\.lindi\.json.*no JSON"):
        LINDIParser()(lindi)
