"""``xr.open_dataset(url, engine="vzlab")`` beside xarray's other engines, over formats."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_file
from tests.parsers.one_of_each import VALUES, WRITERS
from tests.servers.s3_server import S3Server
from vzlab.errors import UnreadableVariableWarning

ENGINE: Any = "vzlab"


@pytest.mark.parametrize("key", WRITERS)
def test_every_format_opens_lazily_and_gives_its_values(tmp_path: Path, key: str) -> None:
    path = WRITERS[key](tmp_path)
    log = vz.RequestLog()
    with log.listening(), xr.open_dataset(path, engine=ENGINE) as opened:
        assert [request for request in log.requests if request.kind == "chunk"] == []
        variable = next(v for v in opened.data_vars.values() if v.ndim >= 2)
        np.testing.assert_array_equal(variable.values.reshape(VALUES.shape), VALUES)


@pytest.mark.parametrize(
    "decoding",
    [
        {},
        {"mask_and_scale": False},
        {"decode_times": False},
        {"decode_cf": False},
        {"decode_coords": "all"},
        {"decode_times": xr.coders.CFDatetimeCoder(use_cftime=True)},
        {"drop_variables": ["sst"]},
    ],
    ids=lambda decoding: "-".join(decoding) or "plain",
)
def test_decoding_is_that_of_the_native_engine(tmp_path: Path, decoding: dict[str, Any]) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    with (
        xr.open_dataset(path, engine="h5netcdf", **decoding) as native,
        xr.open_dataset(path, engine=ENGINE, **decoding) as ours,
    ):
        xr.testing.assert_identical(ours, native)
        assert {name: v.dtype for name, v in ours.variables.items()} == {
            name: v.dtype for name, v in native.variables.items()
        }


def test_dask_gets_the_chunks_of_the_file(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    with xr.open_dataset(path, engine=ENGINE, chunks={}) as ours:
        assert ours.sst.data.chunksize == (1, 5, 10)
        with xr.open_dataset(path, engine="h5netcdf") as native:
            np.testing.assert_array_equal(ours.sst.mean("time").compute(), native.sst.mean("time"))


def test_what_is_opened_can_be_pickled_before_it_is_read(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    with xr.open_dataset(path, engine=ENGINE) as ours:
        copied = pickle.loads(pickle.dumps(ours))
    with xr.open_dataset(path, engine="h5netcdf") as native:
        xr.testing.assert_identical(copied.load(), native.load())


def test_files_in_a_bucket(s3: S3Server, tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    url = s3.bucket().upload(path)
    with xr.open_dataset(url, engine=ENGINE, storage_options=s3.storage_options) as ours:
        first = ours.sst.isel(time=0).load()
    with xr.open_dataset(path, engine="h5netcdf") as native:
        xr.testing.assert_identical(first, native.sst.isel(time=0).load())


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    path = tmp_path / "nested.nc"
    xr.DataTree.from_dict(
        {
            "/": xr.Dataset({"a": ("n", [1, 2])}),
            "/inner": xr.Dataset({"b": ("n", [3.0, np.nan])}),
            "/inner/deep": xr.Dataset({"c": ("k", [5])}),
        }
    ).to_netcdf(path, engine="h5netcdf")
    return path


def test_trees_and_groups_are_those_of_the_native_engine(nested: Path) -> None:
    with (
        xr.open_datatree(nested, engine="h5netcdf") as native,
        xr.open_datatree(nested, engine=ENGINE) as ours,
    ):
        xr.testing.assert_identical(ours, native)
    with (
        xr.open_dataset(nested, engine="h5netcdf", group="inner/deep") as native,
        xr.open_dataset(nested, engine=ENGINE, group="/inner/deep") as ours,
    ):
        xr.testing.assert_identical(ours, native)
    with xr.open_datatree(nested, engine=ENGINE, group="inner", mask_and_scale=False) as part:
        assert sorted(part.to_dict()) == ["/", "/deep"]
    groups = xr.open_groups(nested, engine=ENGINE)
    assert sorted(groups) == ["/", "/inner", "/inner/deep"]
    with pytest.raises(KeyError, match="array"):
        xr.open_dataset(nested, engine=ENGINE, group="a")


def test_options_of_the_parser_are_keyword_arguments(tmp_path: Path) -> None:
    path = WRITERS["netcdf3"](tmp_path)
    with xr.open_dataset(path, engine=ENGINE, min_chunk_bytes=800, chunks={}) as ours:
        assert ours.x.data.chunksize == (1, 200)
    with pytest.raises(TypeError, match="no_such_option"):
        xr.open_dataset(path, engine=ENGINE, no_such_option=1)
    with pytest.raises(TypeError, match=r"min_chunk_bytes beside a parser.*MyParser\(option"):
        xr.open_dataset(path, engine=ENGINE, parser=vz.parsers.NetCDF3Parser(), min_chunk_bytes=1)
    with xr.open_dataset(path, engine=ENGINE, parser=vz.parsers.NetCDF3Parser(min_chunk_bytes=800)) as ours:
        np.testing.assert_array_equal(ours.x.values, VALUES)


def test_references_in_memory_open() -> None:
    array = np.arange(3, dtype="i4")
    references = {
        ".zgroup": '{"zarr_format": 2}',
        "x/.zarray": '{"zarr_format": 2, "shape": [3], "chunks": [3], "dtype": "<i4", "compressor": null, "filters": null, '
        '"fill_value": null, "order": "C"}',
        "x/0": array.tobytes().decode("latin-1"),
    }
    with xr.open_dataset(references, engine=ENGINE) as opened:  # type: ignore[arg-type]
        np.testing.assert_array_equal(opened.x.values, array)


def test_what_no_reference_can_say_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sequences.h5"
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
        file.create_dataset("ragged", (2,), h5py.vlen_dtype("i4"))[:] = [np.arange(2), np.arange(3)]
    with (
        pytest.warns(UnreadableVariableWarning, match="ragged"),
        xr.open_dataset(path, engine=ENGINE) as ours,
    ):
        assert list(ours) == ["x"]


def test_it_claims_no_file_that_nobody_gave_it(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    engine = xr.backends.list_engines()["vzlab"]
    assert not engine.guess_can_open(str(path))
    with xr.open_dataset(path) as found:
        assert found.sst.encoding["source"] == str(path)
