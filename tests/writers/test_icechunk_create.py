"""Writing new groups to Icechunk: what native reads give, nothing half-written, names of every kind."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import write_daily_files
from tests.servers.http_server import HttpServer
from tests.writers.stores import array_over, read_icechunk, read_native, virtual_cube
from vzlab.errors import WriteError
from vzlab.manifests import ChunkManifest, ManifestArray
from vzlab.writers import write_icechunk


def test_repository_on_disk_reads_as_the_files_do(files: list[Path], tmp_path: Path) -> None:
    result = write_icechunk(virtual_cube(files), tmp_path / "cube")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))
    assert (result.n_virtual, result.n_native, result.n_loaded) == (48, 0, 3)


def test_the_call_in_the_result_opens_the_repository_readable(files: list[Path], tmp_path: Path) -> None:
    result = write_icechunk(virtual_cube(files), tmp_path / "cube")
    repository = eval(result.authorization, {"vz": vz})
    xr.testing.assert_identical(read_icechunk(repository), read_native(files))
    assert result.authorization in str(result)


def test_the_call_for_a_storage_opens_it_readable(files: list[Path]) -> None:
    storage = icechunk.in_memory_storage()
    result = write_icechunk(virtual_cube(files), storage)
    repository = eval(result.authorization, {"vz": vz, "icechunk": icechunk, "storage": storage})
    xr.testing.assert_identical(read_icechunk(repository), read_native(files))


def test_unauthorised_reading_is_refused_and_not_fill(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube")
    bare = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "cube")))
    with pytest.raises(icechunk.IcechunkError, match=r"authoriz") as caught:
        read_icechunk(bare)
    assert str(tmp_path / "archive") in str(caught.value)


def test_one_commit_and_only_the_containers_needed(files: list[Path], tmp_path: Path) -> None:
    result = write_icechunk(virtual_cube(files), tmp_path / "cube", message="First days")
    repository = vz.open_icechunk(tmp_path / "cube")
    history = list(repository.ancestry(branch="main"))
    assert [snapshot.message for snapshot in history] == ["First days", "Repository initialized"]
    assert history[0].id == result.snapshot_id
    assert vz.chunk_prefixes(repository) == result.prefixes == (f"file://{tmp_path}/archive/",)


def test_metadata_keep_hdf5_fill_and_cf_missing_value_apart(tmp_path: Path) -> None:
    path = tmp_path / "fills.nc"
    with h5py.File(path, "w") as file:
        variable = file.create_dataset("v", shape=(4,), dtype="i2", chunks=(2,), fillvalue=7)
        variable[2:] = [-1, 3]
        variable.attrs["_FillValue"] = np.array([-1], "i2")
    write_icechunk(vz.open_virtual_dataset(path), tmp_path / "cube")
    array = zarr.open_array(
        vz.open_icechunk(tmp_path / "cube").readonly_session("main").store, path="v", mode="r"
    )
    assert (array[:].tolist(), array.fill_value) == ([7, 7, -1, 3], 7)
    np.testing.assert_array_equal(read_icechunk(tmp_path / "cube").v, [7, 7, np.nan, 3])


def test_time_keeps_its_units_and_virtual_time_reads_alike(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "loaded")
    write_icechunk(virtual_cube(files, loadable_variables=[]), tmp_path / "virtual")
    loaded, virtual = read_icechunk(tmp_path / "loaded"), read_icechunk(tmp_path / "virtual")
    xr.testing.assert_identical(loaded, virtual)
    assert loaded.time.encoding["units"].startswith("hours since 2024-01-01")


def test_coordinates_attribute_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "curvilinear.nc"
    native = xr.Dataset(
        {"t": (("y", "x"), np.arange(6.0).reshape(2, 3))},
        coords={"lat2d": (("y", "x"), np.ones((2, 3))), "height": 2.0},
    )
    native.to_netcdf(path, engine="netcdf4")
    write_icechunk(vz.open_virtual_dataset(path), tmp_path / "cube")
    got = read_icechunk(tmp_path / "cube")
    assert set(got.coords) == {"lat2d", "height"}
    xr.testing.assert_identical(got, xr.open_dataset(path, engine="netcdf4").load())


def test_tree_keeps_its_groups(tmp_path: Path) -> None:
    path = tmp_path / "groups.nc"
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset({"a": ("x", np.arange(3.0))}, attrs={"title": "root"}),
            "/ocean/deep": xr.Dataset({"b": ("y", np.arange(4))}, attrs={"title": "deep"}),
        }
    )
    tree.to_netcdf(path, engine="netcdf4")
    write_icechunk(vz.open_virtual_datatree(path), tmp_path / "cube")
    store = vz.open_icechunk(tmp_path / "cube").readonly_session("main").store
    got = xr.open_datatree(store, engine="zarr", consolidated=False)  # type: ignore[arg-type]
    with xr.open_datatree(path, engine="netcdf4") as native:
        xr.testing.assert_identical(got.load(), native.load())


def test_group_goes_below_others(files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    write_icechunk(cube, tmp_path / "cube", group="l3/daily")
    write_icechunk(cube, tmp_path / "cube", group="l3/again")
    for group in ("l3/daily", "l3/again"):
        xr.testing.assert_identical(read_icechunk(tmp_path / "cube", group), read_native(files))


def test_inline_chunks_become_native_ones(tmp_path: Path) -> None:
    values = np.arange(6, dtype="i4")
    array = array_over(tmp_path / "raw.bin", values[:4], (2,))
    joined = np.concatenate([array, values[4:]])  # type: ignore[call-overload]
    dataset = xr.Dataset({"v": ("x", joined)})
    result = write_icechunk(dataset, tmp_path / "cube")
    assert (result.n_virtual, result.n_native) == (2, 1)
    np.testing.assert_array_equal(read_icechunk(tmp_path / "cube").v, values)
    session = vz.open_icechunk(tmp_path / "cube").readonly_session("main")
    kinds = [str(session.chunk_type("/v", [i])).rpartition(".")[2].lower() for i in range(3)]
    assert kinds[:2] == ["virtual", "virtual"]
    assert kinds[2] in {"inline", "native"}


def test_scalar_and_empty_arrays(tmp_path: Path) -> None:
    path = tmp_path / "odd.h5"
    with h5py.File(path, "w") as file:
        file["scalar"] = np.float32(4.5)
        file.create_dataset("empty", shape=(0, 3), dtype="i4", chunks=(1, 3), maxshape=(None, 3))
        file.create_dataset("unwritten", shape=(3,), dtype="i4", chunks=(2,), fillvalue=9)
    write_icechunk(vz.open_virtual_dataset(path), tmp_path / "cube")
    got = read_icechunk(tmp_path / "cube")
    assert got.scalar.item() == 4.5
    assert got.empty.shape == (0, 3)
    assert got.unwritten.values.tolist() == [9, 9, 9]


def test_rectilinear_grid_reads_back(tmp_path: Path) -> None:
    values = np.arange(9, dtype="f4")
    parts = [
        array_over(tmp_path / f"{i}.bin", values[a:b], (b - a,))
        for i, (a, b) in enumerate([(0, 4), (4, 6), (6, 9)])
    ]
    months = np.concatenate(parts)  # type: ignore[call-overload]
    assert months.metadata.chunks == ((4, 2, 3),)
    write_icechunk(xr.Dataset({"v": ("time", months)}), tmp_path / "cube")
    np.testing.assert_array_equal(read_icechunk(tmp_path / "cube").v, values)


def test_strings_are_loaded_and_written(tmp_path: Path) -> None:
    path = tmp_path / "strings.h5"
    with h5py.File(path, "w") as file:
        file["names"] = np.array(["Åre", "Łódź", ""], dtype=h5py.string_dtype())
    write_icechunk(vz.open_virtual_dataset(path, loadable_variables=["names"]), tmp_path / "cube")
    assert read_icechunk(tmp_path / "cube").names.values.tolist() == ["Åre", "Łódź", ""]


def test_attributes_that_json_cannot_say_do_not_stop_the_write(files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    cube["lat"].attrs["valid_max"] = np.float32(np.nan)
    cube["sst"].attrs["valid_max"] = float("inf")
    cube.attrs["levels"] = np.array([1.0, np.nan])
    write_icechunk(cube, tmp_path / "cube")
    got = read_icechunk(tmp_path / "cube")
    assert (got.lat.attrs["valid_max"], got.sst.attrs["valid_max"], got.attrs["levels"]) == (
        "NaN",
        "Infinity",
        [1.0, "NaN"],
    )


NAMES = ("a b.nc", "a#b.nc", "a?b.nc", "50%.nc", "%41.nc", "été 日本.nc", "a+b&c=d.nc", "[1]'.nc")


@pytest.mark.parametrize("folder", ["plain", "b l#n?k%41é"])
def test_file_and_folder_names_of_every_kind(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    day = write_daily_files(tmp_path / "made", n_days=1)[0]
    native = read_native([day])
    for i, name in enumerate(NAMES):
        path = tmp_path / folder / name
        path.write_bytes(day.read_bytes())
        write_icechunk(vz.open_virtual_dataset(path), tmp_path / "cube", group=f"g{i}")
    for i in range(len(NAMES)):
        xr.testing.assert_identical(read_icechunk(tmp_path / "cube", f"g{i}"), native)


def test_files_over_http(http_server: Callable[..., HttpServer], tmp_path: Path) -> None:
    path = write_daily_files(tmp_path / "archive", n_days=1)[0].rename(tmp_path / "archive" / "a day #1.nc")
    server = http_server(tmp_path / "archive")
    cube = vz.open_virtual_dataset(server.url(path.name))
    result = write_icechunk(cube, tmp_path / "cube")
    assert all(prefix.startswith("http://127.0.0.1") for prefix in result.prefixes)
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native([path]))


# -- failure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the write", "after the write"])
def test_changed_file_raises_at_reading(when: str, files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    later = files[1].stat().st_mtime + 5
    if when == "before the write":
        os.utime(files[1], (later, later))
    write_icechunk(cube, tmp_path / "cube")
    os.utime(files[1], (later, later))
    with pytest.raises(icechunk.StorageError) as caught:
        read_icechunk(tmp_path / "cube")
    assert caught.value.kind == icechunk.ErrorKind.VIRTUAL_CHUNK_MODIFIED


def test_checksums_can_be_left_out(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "cube", checksums=False)
    later = files[1].stat().st_mtime + 5
    os.utime(files[1], (later, later))
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_existing_group_is_kept_unless_asked(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[:2]), tmp_path / "cube")
    with pytest.raises(WriteError, match="is there already and holds lat, lon, sst, time"):
        write_icechunk(virtual_cube(files), tmp_path / "cube")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files[:2]))
    write_icechunk(virtual_cube(files), tmp_path / "cube", mode="w")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_replacing_drops_what_was_there(files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    write_icechunk(cube.assign(extra=("lat", np.arange(10))), tmp_path / "cube", group="g")
    write_icechunk(cube, tmp_path / "cube", group="g", mode="w")
    assert "extra" not in read_icechunk(tmp_path / "cube", "g")


def failing_dataset(path: Path) -> xr.Dataset:
    """A dataset that plans well and fails while it is written: dask raises when asked for values."""
    import dask.array

    def fail(block: Any) -> Any:
        raise RuntimeError("the disk is full")

    lazy = dask.array.from_array(np.zeros(4), chunks=2).map_blocks(fail, dtype="f8", meta=np.zeros(0))
    return vz.open_virtual_dataset(path).assign(bad=("z", lazy))


def test_failure_leaves_no_new_repository(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk is full"):
        write_icechunk(failing_dataset(files[0]), tmp_path / "cube")
    assert not (tmp_path / "cube").exists()


def test_failure_leaves_an_existing_repository_as_it_was(files: list[Path], tmp_path: Path) -> None:
    first = write_icechunk(virtual_cube(files), tmp_path / "cube")
    with pytest.raises(RuntimeError, match="disk is full"):
        write_icechunk(failing_dataset(files[0]), tmp_path / "cube", mode="w")
    assert vz.open_icechunk(tmp_path / "cube").lookup_branch("main") == first.snapshot_id
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


@pytest.mark.parametrize("name", ["a/b", "a\\b"])
def test_refusal_makes_nothing(files: list[Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match="cannot be a name in a Zarr hierarchy"):
        write_icechunk(virtual_cube(files).rename(sst=name), tmp_path / "cube")
    assert not (tmp_path / "cube").exists()


def test_folder_with_other_files_is_left_alone(files: list[Path]) -> None:
    before = sorted(files[0].parent.iterdir())
    with pytest.raises(WriteError, match="no Icechunk repository"):
        write_icechunk(virtual_cube(files), files[0].parent)
    assert sorted(files[0].parent.iterdir()) == before


def test_memory_urls_are_refused(tmp_path: Path) -> None:
    array = array_over(tmp_path / "raw.bin", np.arange(4, dtype="i4"), (2,))
    moved = array.rename_urls(lambda _: "memory://x/raw.bin")
    with pytest.raises(WriteError, match="Icechunk cannot read memory:// urls"):
        write_icechunk(xr.Dataset({"v": ("x", moved)}), tmp_path / "cube")
    assert not (tmp_path / "cube").exists()


def test_empty_reference_is_refused(tmp_path: Path) -> None:
    array = array_over(tmp_path / "raw.bin", np.arange(4, dtype="i4"), (2,))
    broken = ManifestArray(
        metadata=array.metadata,
        manifest=ChunkManifest.from_ranges(array.manifest.sources[0], array.manifest.offsets, [8, 0]),
    )
    with pytest.raises(WriteError, match=r"Chunk \(1,\) of 'v' is a reference to 0 bytes"):
        write_icechunk(xr.Dataset({"v": ("x", broken)}), tmp_path / "cube")


# -- targets -----------------------------------------------------------------------------------------------------------


def in_memory_repository(*prefixes: str) -> icechunk.Repository:
    config = icechunk.RepositoryConfig.default()
    for prefix in prefixes:
        store = icechunk.local_filesystem_store(prefix.removeprefix("file://"))
        config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    access = dict.fromkeys(prefixes, icechunk.credentials.LocalFileSystemAccess)
    return icechunk.Repository.create(
        icechunk.in_memory_storage(), config=config, authorize_virtual_chunk_access=access
    )


def test_session_is_committed_by_its_owner(files: list[Path]) -> None:
    repository = in_memory_repository(f"file://{files[0].parent}/")
    session = repository.writable_session("main")
    result = write_icechunk(virtual_cube(files), session)
    assert result.snapshot_id is None
    assert "session.commit" in str(result)
    assert session.has_uncommitted_changes
    session.commit("mine")
    xr.testing.assert_identical(read_icechunk(repository), read_native(files))


def test_store_of_a_session_is_a_target_too(files: list[Path]) -> None:
    repository = in_memory_repository(f"file://{files[0].parent}/")
    session = repository.writable_session("main")
    write_icechunk(virtual_cube(files), session.store)
    session.commit("mine")
    xr.testing.assert_identical(read_icechunk(repository), read_native(files))


def test_session_without_the_container_is_refused_untouched(files: list[Path]) -> None:
    session = in_memory_repository().writable_session("main")
    with pytest.raises(WriteError, match="no virtual chunk container for file://"):
        write_icechunk(virtual_cube(files), session)
    assert not session.has_uncommitted_changes


def test_read_only_session_is_refused(files: list[Path]) -> None:
    with pytest.raises(WriteError, match="read-only"):
        write_icechunk(virtual_cube(files), in_memory_repository().readonly_session("main"))


def test_repository_gets_the_containers_it_lacks(files: list[Path], tmp_path: Path) -> None:
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    repository = icechunk.Repository.create(storage)
    write_icechunk(virtual_cube(files), repository)
    assert vz.chunk_prefixes(tmp_path / "cube") == (f"file://{files[0].parent}/",)
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files))


def test_branch(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files[:1]), tmp_path / "cube")
    repository = vz.open_icechunk(tmp_path / "cube")
    repository.create_branch("more", repository.lookup_branch("main"))
    write_icechunk(virtual_cube(files[1:]), tmp_path / "cube", append_dim="time", branch="more")
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube", branch="more"), read_native(files))
    xr.testing.assert_identical(read_icechunk(tmp_path / "cube"), read_native(files[:1]))
    with pytest.raises(WriteError, match="no branch 'none'; found main, more"):
        write_icechunk(virtual_cube(files), tmp_path / "cube", append_dim="time", branch="none")


def test_result_pickles(files: list[Path], tmp_path: Path) -> None:
    result = write_icechunk(virtual_cube(files), tmp_path / "cube")
    assert pickle.loads(pickle.dumps(result)) == result


def test_manifests_are_cut_along_the_dimension_that_grows(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vzlab.writers.targets.REFERENCES_A_MANIFEST", 16)
    result = write_icechunk(virtual_cube(files), tmp_path / "cube", append_dim="time")
    repository = vz.open_icechunk(tmp_path / "cube")
    assert result.snapshot_id is not None
    sizes = [info.num_chunk_refs for info in repository.list_manifest_files(result.snapshot_id)]
    assert sizes.count(16) == 3
