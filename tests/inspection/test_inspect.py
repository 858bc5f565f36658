"""Inspecting anything: what it says is what independent readers say, and nothing is read for it."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

from tests.archives import write_daily_file, write_daily_files
from tests.corpus import CorpusEntry, corpus_params
from tests.inspection.arrays import BYTES, virtual_array
from vzlab.datasets import open_virtual_dataset
from vzlab.inspection import Inspection, inspect
from vzlab.manifests import ManifestGroup, SourceFile, UnreadableVariable
from vzlab.parsers import HDF5Parser
from vzlab.storage import ManifestStore, RequestLog, StoreRegistry, normalize_url


@pytest.fixture
def daily(tmp_path: Path) -> Path:
    return write_daily_file(tmp_path / "sst.nc")


def test_a_file_is_described_as_h5py_sees_it(daily):
    found = inspect(daily)
    with h5py.File(daily) as file:
        for name in ("sst", "time", "lat", "lon"):
            dataset, variable = file[name], found[name]
            assert variable.shape == dataset.shape
            assert variable.raw_bytes == dataset.size * dataset.dtype.itemsize
            assert variable.stored_bytes == dataset.id.get_storage_size()
            if dataset.chunks is not None:
                assert variable.counts is not None
                assert variable.counts.virtual == dataset.id.get_num_chunks()
        sst = found["sst"]
        sizes = sorted(file["sst"].id.get_chunk_info(i).size for i in range(file["sst"].id.get_num_chunks()))
    assert sst.dims == ("time", "lat", "lon")
    assert (sst.dtype, sst.byte_order, sst.role) == ("int16", "little", "data")
    assert (sst.chunking.kind, sst.chunking.chunk_shape, sst.chunking.grid_shape) == (
        "regular",
        (1, 5, 10),
        (4, 2, 2),
    )
    assert [codec.label for codec in sst.codecs] == ["bytes", "shuffle", "deflate"]
    assert sst.statistics is not None
    assert (sst.statistics.min_bytes, sst.statistics.max_bytes) == (sizes[0], sizes[-1])
    assert sst.encoding.formula == "value = stored × 0.01 + 273.15"
    assert (sst.encoding.fill, sst.encoding.fill_relation) == ("-32767", "same")
    assert found["time"].encoding.time_unit == "hours"
    assert {found[name].role for name in ("time", "lat", "lon")} == {"coordinate"}
    assert found.file_bytes == daily.stat().st_size
    assert found.title == "sst.nc"
    assert "open_virtual_dataset" in found.open_code


def test_a_path_as_text_and_a_url_give_the_same(daily):
    assert inspect(str(daily)).to_dict()["root"] == inspect(normalize_url(daily)).to_dict()["root"]


def test_inspecting_a_url_asks_for_no_more_than_parsing(daily):
    parsing, inspecting = RequestLog(), RequestLog()
    HDF5Parser()(normalize_url(daily), StoreRegistry(log=parsing))
    inspect(daily, parser=HDF5Parser(), registry=StoreRegistry(log=inspecting))
    assert [(r.offset, r.length) for r in inspecting.requests] == [
        (r.offset, r.length) for r in parsing.requests
    ]


def test_nothing_is_read_of_what_was_parsed(daily):
    log = RequestLog()
    registry = StoreRegistry(log=log)
    group = HDF5Parser()(normalize_url(daily), registry)
    dataset = open_virtual_dataset(daily, registry=registry)
    store = ManifestStore(group, registry)
    opened = zarr.open_group(store, mode="r")
    lazy = xr.open_zarr(store, chunks=None, consolidated=False)
    log.clear()
    for thing in (
        group,
        group["sst"],
        store,
        opened,
        opened["sst"],
        dataset,
        dataset["sst"],
        lazy,
        lazy["sst"],
    ):
        found = inspect(thing)
        found._repr_html_()
        str(found)
        found.to_dict()
    assert log.requests == []


def test_a_store_a_group_and_a_zarr_group_over_it_agree(daily):
    group = HDF5Parser()(normalize_url(daily), StoreRegistry())
    store = ManifestStore(group)
    trees = [inspect(x).to_dict()["root"] for x in (group, store, zarr.open_group(store, mode="r"))]
    assert trees[0] == trees[1] == trees[2]


def test_one_virtual_array(daily):
    group = HDF5Parser()(normalize_url(daily), StoreRegistry())
    found = inspect(group["sst"])
    assert list(found.variables) == ["array"]
    assert found["array"].counts == inspect(group)["sst"].counts
    assert found.title == "sst.nc"


def test_a_combined_dataset_tells_its_files(tmp_path):
    paths = write_daily_files(tmp_path / "days", n_days=3)
    cube = xr.combine_nested(
        [open_virtual_dataset(path) for path in paths],
        concat_dim="time", coords="minimal", compat="override", data_vars="minimal", join="override",
    )  # fmt: skip
    found = inspect(cube)
    assert [source.name for source in found.sources] == [path.name for path in paths]
    assert found.file_bytes == sum(path.stat().st_size for path in paths)
    sst = found["sst"]
    assert sst.held == "virtual"
    assert sst.chunk_map is not None
    assert sorted(np.unique(sst.chunk_map.source)) in ([0, 1, 2], [-1])
    assert sst.byte_map is not None
    assert sst.byte_map.n_sources == (1, 1, 1)
    # Times were loaded, so their ends are known without reading anything.
    time = found["time"]
    assert time.held == "in memory"
    assert (time.encoding.first, time.encoding.last) == ("2024-01-01", "2024-01-03 18:00")
    assert found.kind == "partly virtual dataset"


def test_a_lazy_netcdf_dataset_tells_its_encoding(daily):
    with xr.open_dataset(daily, engine="h5netcdf") as lazy:
        sst = inspect(lazy)["sst"]
        assert sst.held == "lazy"
        assert sst.chunking.chunk_shape == (1, 5, 10)
        assert [codec.label for codec in sst.codecs] == ["bytes", "shuffle", "deflate"]
        assert sst.dtype == "int16"
        assert sst.encoding.is_packed
        assert sst.stored_bytes is None
        assert not lazy["sst"].variable._in_memory


def test_a_dataset_in_memory():
    dataset = xr.Dataset(
        {"a": (("x", "y"), np.zeros((3, 4), "f4"))}, coords={"x": [10, 20, 30]}, attrs={"title": "t"}
    )
    found = inspect(dataset)
    assert found["a"].held == "in memory"
    assert found["a"].raw_bytes == 48
    assert found["a"].chunking.kind == "unknown"
    assert (found["x"].encoding.first, found["x"].encoding.last) == ("10", "30")
    assert found.root.attributes == {"title": "t"}
    assert inspect(dataset["a"])["a"].dims == ("x", "y")
    assert inspect(dataset["a"].variable)["variable"].shape == (3, 4)
    assert inspect(dataset["x"])["x"].role == "coordinate"


def test_a_tree_keeps_its_groups():
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset({"a": 1}), "/model/ocean": xr.Dataset({"sst": ("x", [1, 2])})}
    )
    found = inspect(tree)
    assert list(found.variables) == ["a", "model/ocean/sst"]
    assert found.n_groups == 3
    assert list(inspect(tree, group="model").variables) == ["ocean/sst"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_group_tells_its_metadata_and_the_chunks_that_are_there(zarr_format):
    store = zarr.storage.MemoryStore()
    root = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    inner = root.create_group("inner")
    array = inner.create_array(
        "a", shape=(5, 7), chunks=(2, 3), dtype=">i4" if zarr_format == 2 else "i4", fill_value=9
    )
    array.attrs["units"] = "m"
    array[:] = 1
    found = inspect(zarr.open_group(store, mode="r"))
    a = found["inner/a"]
    assert (a.shape, a.chunking.grid_shape, a.chunking.partial) == ((5, 7), (3, 3), (True, True))
    assert a.encoding.fill == "9"
    assert a.encoding.units == "m"
    assert a.byte_order == ("big" if zarr_format == 2 else "little")
    assert ("Zstandard" if zarr_format == 3 else "Blosc") in [codec.label for codec in a.codecs]
    assert (a.counts.stored, a.counts.virtual, a.counts.missing) == (9, 0, 0)
    chunks = [key for key in store._store_dict if key.startswith("inner/a/") and key[-1].isdigit()]
    assert a.stored_bytes == sum(len(store._store_dict[key]) for key in chunks)
    assert a.held == "stored"
    assert found.format == f"Zarr v{zarr_format}"
    assert inspect(root["inner/a"])["a"].shape == (5, 7)
    assert list(inspect(store).variables) == ["inner/a"]


def test_groups_unreadable_variables_and_subgroups_are_told():
    group = ManifestGroup(
        arrays={"top": virtual_array((2,))},
        groups={"inner": ManifestGroup(arrays={"a": virtual_array((2, 2))}, attributes={"k": 1})},
        unreadable={
            "bad": UnreadableVariable(
                reason="Its filter is not known.", loadable=True, shape=(3,), dtype="f4"
            )
        },
        format="netCDF4 / HDF5",
        index_decoder="h5py",
    )
    found = inspect(group)
    assert (found.format, found.index_decoder) == ("netCDF4 / HDF5", "h5py")
    assert list(found.variables) == ["top", "inner/a"]
    assert found.unreadable[0].path == "bad"
    problem = found.findings[0]
    assert problem.severity == "problem"
    assert "bad" in problem.text
    assert problem.remedy == 'loadable_variables=["bad"]'
    assert list(inspect(group, group="inner").variables) == ["a"]
    with pytest.raises(KeyError, match="top, inner/a"):
        found["nothing"]


def test_chunks_that_were_never_written_are_found_with_what_they_read_as():
    packed = {"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -5, "units": "K"}
    lying = inspect(
        ManifestGroup(arrays={"a": virtual_array((3, 3), n_missing=2, fill_value=0, attributes=packed)})
    )
    assert lying["a"].counts is not None
    assert (lying["a"].counts.missing, lying["a"].counts.present) == (2, 7)
    notice = lying.findings[0]
    assert notice.severity == "notice"
    assert notice.text == "2 of 9 chunks of a were never written."
    assert "10 K" in notice.consequence
    honest = inspect(
        ManifestGroup(arrays={"a": virtual_array((3, 3), n_missing=2, fill_value=-5, attributes=packed)})
    )
    written = [finding for finding in honest.findings if "never written" in finding.text]
    assert [finding.severity for finding in written] == ["fact"]


def test_references_beyond_the_end_of_a_file_are_a_problem():
    found = inspect(ManifestGroup(arrays={"a": virtual_array((3,), file_bytes=101)}))
    assert found.findings[0].severity == "problem"
    assert "beyond the end" in found.findings[0].text


def test_small_chunks_and_codecs_of_our_own_are_told():
    szip = {"name": "vzlab.lzf", "configuration": {}}
    found = inspect(ManifestGroup(arrays={"a": virtual_array((30, 30), codecs=[BYTES, szip])}))
    texts = " ".join(finding.text + finding.consequence for finding in found.findings)
    assert "900 requests, or 1 where neighbours are read together" in texts
    assert "LZF" in texts
    assert found["a"].needs == ("vzlab",)
    assert found["a"].readers == ("zarr-python",)


def test_a_file_that_stands_for_two_sizes_is_two_sources():
    first, second = virtual_array((2,), file_bytes=1000), virtual_array((2,), file_bytes=2000)
    found = inspect(ManifestGroup(arrays={"a": first, "b": second}))
    assert [source.size_bytes for source in found.sources] == [1000, 2000]


def test_a_source_of_unknown_size_is_as_long_as_its_chunks_say():
    array = virtual_array((4,))
    bare = array.rename_urls(lambda url: url)
    sources = [SourceFile(url=source.url) for source in bare.manifest.sources]
    unknown = bare.manifest.with_sources(sources)
    found = inspect(ManifestGroup(arrays={"a": type(array)(metadata=array.metadata, manifest=unknown)}))
    assert found.file_bytes is None
    assert found["a"].byte_map is not None
    assert found["a"].byte_map.file_bytes == array.manifest.sources[0].size_bytes - 50


def test_the_json_form_is_strict_and_versioned():
    hostile = {
        "nan": float("nan"),
        "bytes": b"\xff\x00",
        "array": np.arange(3),
        "complex": 1j,
        "deep": {"x": [1, None]},
    }
    found = inspect(ManifestGroup(arrays={"a": virtual_array((100, 90), attributes=hostile)}))
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["schema"] == "vzlab-inspection/1"
    a = document["root"]["variables"][0]
    assert a["attributes"] == {
        "nan": "NaN", "bytes": {"base64": "/wA="}, "array": [0, 1, 2], "complex": [0.0, 1.0], "deep": {"x": [1, None]},
    }  # fmt: skip
    assert np.shape(a["chunk_map"]["n_chunks"]) == (64, 64)
    assert np.sum(a["chunk_map"]["n_chunks"]) == 9000
    assert document["totals"]["n_chunks"] == 9000
    assert "chunk_map" not in found.to_dict(map_cells=0)["root"]["variables"][0]


def test_what_cannot_be_inspected_is_told_with_what_can():
    with pytest.raises(
        TypeError, match=r"Found int; expected a url or path, a list of them, an xarray object"
    ):
        inspect(3)


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params(["netcdf4", "hdf5"]))
def test_real_files_are_inspected_or_refused_at_parse(entry: CorpusEntry):
    try:
        group = HDF5Parser()(normalize_url(entry.location), StoreRegistry())
    except (OSError, ValueError):
        pytest.skip("refused at parse")
    found = inspect(group)
    assert isinstance(found, Inspection)
    assert len(found._repr_html_().encode()) <= 100_000
    assert str(found)
    json.dumps(found.to_dict(), allow_nan=False)
    with h5py.File(entry.location) as file:
        for path, variable in found.variables.items():
            dataset = file.get(path)
            # Text and what else is loaded at parse is held in other chunks than the file's.
            if (
                isinstance(dataset, h5py.Dataset)
                and dataset.chunks
                and variable.counts
                and not variable.counts.inline
                and dataset.id.get_num_chunks() <= 500  # the library goes through the whole index for each
            ):
                chunks = [dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks())]
                inside = sum(bool(np.all(np.less(chunk.chunk_offset, dataset.shape))) for chunk in chunks)
                assert variable.counts.virtual == inside, path


def test_links_and_room_to_grow_are_told_as_h5py_has_them(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["there"] = np.arange(3)
    path = tmp_path / "linked.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("grows", data=np.zeros((4, 5), "i2"), maxshape=(None, 100), chunks=(2, 5))
        file["fixed"] = np.zeros((4, 5), "i2")
        file["hard"] = made
        file["soft"] = h5py.SoftLink("/fixed")
        file["outside"] = h5py.ExternalLink("other.h5", "/there")
        file.create_group("model")
        file["twin"] = h5py.SoftLink("/model")
    found = inspect(path)
    with h5py.File(path) as file:
        for name in ("grows", "fixed", "soft", "outside"):
            told = found[name].max_shape
            assert (told or file[name].shape) == file[name].maxshape
    assert {name: variable.link for name, variable in found.variables.items()} == {
        "grows": "",
        "fixed": "",
        "hard": "hard link to what is '/grows' too",
        "soft": "soft link to '/fixed'",
        "outside": "external link to '/there' of 'other.h5'",
    }
    assert {group.name: group.link for group in found.root.groups} == {
        "model": "",
        "twin": "soft link to '/model'",
    }
    page = found.to_text("hard", max_lines=0)
    assert "phony_dim_0 without end, phony_dim_1 to 100" in page
    assert "hard link to what is '/grows' too" in page
    assert "soft link to '/model'" in unescape(found._repr_html_())


def test_the_record_dimension_of_a_classic_file_may_grow(tmp_path):
    path = tmp_path / "classic.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("time")
        file.createDimension("x", 2)
        file.createVariable("a", "i2", ("time", "x"))[:] = [[1, 2]]
        file.createVariable("b", "i2", ("x",))[:] = [1, 2]
    found = inspect(path)
    assert (found["a"].max_shape, found["b"].max_shape) == ((None, 2), None)


def test_a_store_tells_its_kind_and_whether_it_may_be_written(tmp_path):
    zarr.create_group(tmp_path / "x.zarr").create_array("a", data=np.arange(4))
    for mode, words in (("r", "LocalStore, read-only"), ("r+", "LocalStore, writable")):
        group = zarr.open_group(tmp_path / "x.zarr", mode=mode)
        info = str(group["a"].info)
        assert "Read-only" in info
        assert "LocalStore" in info
        for x in (group, group["a"]):
            assert inspect(x).store == words
            assert words in str(inspect(x))


def test_indexes_of_a_dataset_are_told():
    dataset = xr.Dataset(
        {"v": (("x", "y"), np.zeros((2, 3)))}, coords={"x": [1, 2], "far": ("x", [3, 4]), "y": [1, 2, 3]}
    )
    found = inspect(dataset)
    assert {name: variable.index for name, variable in found.variables.items()} == {
        "v": "",
        "x": "PandasIndex",
        "far": "",
        "y": "PandasIndex",
    }
    assert "PandasIndex" in found._repr_html_()
