"""Chunks of several lengths make a rectilinear grid from opening to reading: combined, written, appended to, read."""

from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import write_daily_file
from tests.datasets.archives_that_differ import native
from tests.writers.stores import read_icechunk
from vzlab.datasets import check_combine, manifest_array
from vzlab.errors import IncompatibleArraysError, IncompatibleFilesError, WriteError

MONTHS = [31, 28, 31]
"""One chunk a month, as long as the month."""
HOURS = [24, 24, 20]
"""One chunk a day; the last day is short."""


def archive(folder: Path, lengths: list[int], chunk_lengths: list[int], *, lats: int = 5) -> list[Path]:
    """Files of some times each, in chunks of some times each, one hour after another."""
    files, start = [], 0
    for i, (n_times, along) in enumerate(zip(lengths, chunk_lengths, strict=True)):
        path = folder / f"{i}.nc"
        write_daily_file(path, n_times=n_times, chunks=(along, lats, 10))
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as opened:
            dataset = opened.load()
        dataset["time"] = ("time", np.arange(start, start + n_times) * 1.0, dataset.time.attrs)
        encoding = {"sst": {"chunksizes": (along, lats, 10), "zlib": True, "dtype": "i2", "_FillValue": -32767,
                            "scale_factor": 0.01, "add_offset": 273.15}}  # fmt: skip
        path.unlink()
        dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding, unlimited_dims=["time"])
        files.append(path)
        start += n_times
    return files


CASES: dict[str, tuple[list[int], list[int], Any]] = {
    "months of 31, 28 and 31 days": (MONTHS, MONTHS, (31, 28, 31)),
    "hours with a short last day": (HOURS, [24, 24, 20], (24, 24, 20)),
    "two eras of chunk shapes": ([24, 24, 24], [12, 12, 24], (12, 12, 12, 12, 24)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rectilinear_grid_is_combined_written_and_read(tmp_path: Path, case: str) -> None:
    lengths, chunks, expected = CASES[case]
    files = archive(tmp_path, lengths, chunks)
    report = check_combine(files)
    assert report.severity("sst", "chunks") == "needs a rectilinear grid"
    assert report.compatible
    cube = vz.open_virtual_mfdataset(files)
    assert manifest_array(cube.sst).metadata.chunks[0] == expected
    storage = icechunk.in_memory_storage()
    cube.vzlab.to_icechunk(storage)
    np.testing.assert_array_equal(read_icechunk(storage).sst, native(files).sst)
    with pytest.raises(WriteError, match="'sst' has chunks of different lengths"):
        cube.vzlab.to_kerchunk(format="dict")


@pytest.mark.parametrize("case", CASES)
def test_a_rectilinear_grid_grows(tmp_path: Path, case: str) -> None:
    lengths, chunks, _ = CASES[case]
    files = archive(tmp_path, lengths, chunks)
    storage = icechunk.in_memory_storage()
    vz.open_virtual_mfdataset(files[:2]).vzlab.to_icechunk(storage, append_dim="time")
    vz.open_virtual_dataset(files[2]).vzlab.to_icechunk(storage, append_dim="time")
    np.testing.assert_array_equal(read_icechunk(storage).sst, native(files).sst)


def test_partial_chunks_beside_chunks_of_other_lengths_are_refused_by_the_check(tmp_path: Path) -> None:
    files = archive(tmp_path, [6, 5, 4], [3, 2, 4])
    finding = check_combine(files).cell("sst", "chunks")
    assert finding.severity == "needs re-encoding"
    assert [holders.value for holders in finding.holders][1] == "2 along time, the last one partial"
    with pytest.raises(IncompatibleFilesError, match="only partly filled"):
        vz.open_virtual_mfdataset(files)
    storage = icechunk.in_memory_storage()
    vz.open_virtual_mfdataset(files, on_mismatch="load").vzlab.to_icechunk(storage)
    np.testing.assert_array_equal(read_icechunk(storage).sst, native(files).sst)


def sharded(folder: Path, n_times: int) -> list[Path]:
    """Zarr stores of shards of 4 times, in chunks of 2."""
    stores = []
    for i in range(2):
        stores.append(folder / f"{i}.zarr")
        times = np.arange(n_times) + i * n_times
        values = xr.Dataset(
            {"a": (("time", "x"), np.random.default_rng(i).random((n_times, 4)))}, {"time": times}
        )
        values.to_zarr(
            stores[i], zarr_format=3, consolidated=False, encoding={"a": {"chunks": (2, 2), "shards": (4, 4)}}
        )
    return stores


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec disables partial reads")
def test_shards_that_end_between_their_chunks_are_combined(tmp_path: Path) -> None:
    stores = sharded(tmp_path, 6)
    storage = icechunk.in_memory_storage()
    vz.open_virtual_mfdataset(stores).vzlab.to_icechunk(storage)
    whole = np.concatenate([xr.open_zarr(store, consolidated=False).a for store in stores])
    np.testing.assert_array_equal(read_icechunk(storage).a, whole)


def test_shards_that_end_inside_of_a_chunk_are_refused(tmp_path: Path) -> None:
    """zarr-python does not open an array that has them in its middle."""
    stores = sharded(tmp_path, 5)
    finding = check_combine(stores).cell("a", "chunks")
    assert finding.severity == "needs re-encoding"
    with pytest.raises(IncompatibleFilesError, match="Zarr wants whole chunks in every shard"):
        vz.open_virtual_mfdataset(stores)
    with pytest.raises(IncompatibleArraysError, match="holds 1 of 4, in chunks of 2"):
        xr.concat([vz.open_virtual_dataset(store) for store in stores], "time")
    storage = icechunk.in_memory_storage()
    vz.open_virtual_dataset(stores[0]).vzlab.to_icechunk(storage)
    with pytest.raises(WriteError, match="holds 1 of 4, in chunks of 2"):
        vz.open_virtual_dataset(stores[1]).vzlab.to_icechunk(storage, append_dim="time")
    vz.open_virtual_mfdataset(stores, on_mismatch="load").vzlab.to_icechunk(storage, mode="w")
    whole = np.concatenate([xr.open_zarr(store, consolidated=False).a for store in stores])
    np.testing.assert_array_equal(read_icechunk(storage).a, whole)


def test_a_partial_chunk_along_another_dimension_is_read_compared_and_added_to(tmp_path: Path) -> None:
    """4 of the last 2 latitudes' chunk are stored, and Icechunk lists their length for each chunk."""
    files = archive(tmp_path, MONTHS, MONTHS, lats=4)
    for n in (2, 3):
        cube = vz.open_virtual_mfdataset(files[n - 2 : n] if n == 2 else files[2:], concat_dim="time")
        cube.vzlab.to_icechunk(tmp_path / "cube", append_dim="time")
        np.testing.assert_array_equal(read_icechunk(tmp_path / "cube").sst, native(files[:n]).sst)
    again = vz.open_virtual_dataset(tmp_path / "cube")
    assert manifest_array(again.sst).metadata.chunks == ((31, 28, 31), 4, 10)
    assert vz.verify(tmp_path / "cube").verdict == "PASS"
    assert vz.compare(tmp_path / "cube", files, progress=False).verdict == "PASS"


def test_a_partial_chunk_in_the_middle_never_shifts_what_follows(tmp_path: Path) -> None:
    files = archive(tmp_path, [5, 5, 5], [4, 4, 4])
    finding = check_combine(files).cell("sst", "chunks")
    assert finding.kind == "partial"
    assert finding.holders[0].runs == ((0, 1),)
    storage = icechunk.in_memory_storage()
    vz.open_virtual_mfdataset(files).vzlab.to_icechunk(storage)
    np.testing.assert_array_equal(read_icechunk(storage).sst, native(files).sst)
