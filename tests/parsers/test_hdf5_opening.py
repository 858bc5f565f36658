"""Opening files: local, remote, open already, of another format, damaged; and what a parser is as a value."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import netCDF4
import numpy as np
import obstore
import pytest
from obstore.store import MemoryStore

from tests.parsers.reading import assert_values_equal, parse, read
from vzlab.errors import CorruptFileError, SourceNotFoundError, UnreachableChunkError, UnsupportedFormatError
from vzlab.parsers import HDF5Parser
from vzlab.storage import RequestLog, StoreRegistry, read_array


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(100), chunks=(10,), compression="gzip")
        file["text"] = ["a", "b"]
    return path


def in_memory(path: Path, **options: Any) -> tuple[StoreRegistry, RequestLog]:
    """The file as an object ``memory://bucket/f.h5``."""
    store = MemoryStore()
    obstore.put(store, "f.h5", path.read_bytes())
    log = RequestLog()
    return StoreRegistry({"memory://bucket": store}, log=log, **options), log


@pytest.mark.parametrize("name", ["plain.h5", "a b#1?50%.h5", "Grüße.h5"])
def test_names_of_every_kind(small: Path, name: str) -> None:
    path = small.rename(small.with_name(name))
    group = parse(path)
    assert parse(str(path)) == parse(group["x"].manifest.urls[0]) == group


def test_a_remote_file_parses_as_the_local_one(small: Path) -> None:
    registry, _ = in_memory(small)
    remote = HDF5Parser()("memory://bucket/f.h5", registry)
    local = parse(small)
    renamed = remote.rename_urls(lambda _: local["x"].manifest.urls[0])
    assert list(renamed.arrays) == list(local.arrays)
    for name, array in local.arrays.items():
        assert renamed[name].metadata == array.metadata
        assert renamed[name].manifest.to_dict() == array.manifest.to_dict()
    assert_values_equal(read_array(remote["x"], registry), np.arange(100))
    assert HDF5Parser().load("memory://bucket/f.h5", registry, "text").tolist() == ["a", "b"]


def test_scattered_metadata_are_read_in_blocks_not_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "scattered.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 250_000)
        for i in range(12):
            file.createVariable(f"v{i}", "f8", ("x",))[:] = i
    registry, log = in_memory(path)
    group = HDF5Parser()("memory://bucket/f.h5", registry)
    assert len(group.arrays) == 12
    assert len(log) <= 20
    assert log.total_bytes < 0.1 * path.stat().st_size


def test_an_object_that_cannot_be_read_is_named(small: Path) -> None:
    class Broken(StoreRegistry):
        def _make(self, url: str) -> Any:
            source = super()._make(url)

            def fail(offset: int, length: int) -> bytes:
                raise UnreachableChunkError(f"{url}: gone at {offset}")

            source.read = fail
            return source

    store = MemoryStore()
    obstore.put(store, "f.h5", small.read_bytes())
    with pytest.raises(UnreachableChunkError, match=r"memory://bucket/f\.h5: gone at 0"):
        HDF5Parser()("memory://bucket/f.h5", Broken({"memory://bucket": store}))


@pytest.mark.parametrize(
    "open_first",
    [
        pytest.param(h5py.File, id="h5py"),
        pytest.param(lambda path: h5py.File(path, locking=False), id="h5py-without-lock"),
        pytest.param(netCDF4.Dataset, id="netCDF4"),
    ],
)
def test_a_file_that_this_process_has_open_already(small: Path, open_first: Callable[[Path], Any]) -> None:
    with open_first(small) as held:
        group = parse(small)
        assert parse(small) == group
        assert held["x"][:3].tolist() == [0, 1, 2]


def test_files_are_closed(small: Path) -> None:
    parse(small)
    with h5py.File(small, "r+") as file:
        file["x"][0] = 5


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    path.write_text("not HDF5 at all")
    with pytest.raises(UnsupportedFormatError, match=r"begins with b'not HDF5'; expected the signature"):
        parse(path)
    with pytest.raises(SourceNotFoundError, match=r"absent\.h5"):
        parse(tmp_path / "absent.h5")
    with pytest.raises(UnreachableChunkError, match="directory"):
        parse(tmp_path)


def test_a_damaged_superblock_is_refused(small: Path) -> None:
    raw = bytearray(small.read_bytes())
    raw[8] = 77
    small.write_bytes(raw)
    with pytest.raises(CorruptFileError, match="bad superblock version number"):
        parse(small)


def test_a_damaged_root_group_is_refused(small: Path) -> None:
    raw = bytearray(small.read_bytes())
    # The address of the root group's header lies in its symbol table entry: HDF5 specification II.A, version 0.
    raw[64:72] = (8).to_bytes(8, "little")
    small.write_bytes(raw)
    with pytest.raises(CorruptFileError, match=r"small\.h5"):
        parse(small)


@pytest.mark.parametrize("filters", ["lz4", "sz3"])
def test_a_filter_without_a_codec_is_loadable_where_the_library_has_it(tmp_path: Path, filters: str) -> None:
    path = tmp_path / "filtered.h5"
    options = {"lz4": hdf5plugin.LZ4(), "sz3": hdf5plugin.SZ3(absolute=0.01)}[filters]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(64, dtype="f4"), chunks=(64,), compression=options)
        expected = file["x"][()]
    group = parse(path)
    if filters == "lz4":
        assert_values_equal(read(group["x"]), expected)
        return
    assert "SZ3 (32024)" in group.unreadable["x"].reason
    assert group.unreadable["x"].loadable
    assert_values_equal(HDF5Parser().load(path, None, "x"), expected)


def test_a_damaged_object_header_loses_one_variable(tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = np.arange(3)
        file["y"] = np.arange(4)
        address = h5py.h5o.get_info(file["x"].id).addr
    raw = bytearray(path.read_bytes())
    raw[address + 20] ^= 0xFF
    path.write_bytes(raw)
    group = parse(path)
    assert list(group.arrays) == ["y"]
    assert "cannot open it: incorrect metadata checksum" in group.unreadable["x"].reason
    assert not group.unreadable["x"].loadable


# -- a parser as a value ----------------------------------------------------------------------------------------------


def test_parsers_and_what_they_give_are_values(small: Path) -> None:
    parser = HDF5Parser(group="/g/", drop_variables=["b", "a/c/"])
    assert pickle.loads(pickle.dumps(parser)) == parser == HDF5Parser(group="g", drop_variables=("a/c", "b"))
    group = parse(small)
    assert pickle.loads(pickle.dumps(group)) == group


def test_h5py_is_loaded_only_when_the_parser_is(tmp_path: Path) -> None:
    code = (
        "import sys, vzlab.parsers, vzlab.detection; assert 'h5py' not in sys.modules; "
        "vzlab.parsers.HDF5Parser; assert 'h5py' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_without_h5py_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['h5py'] = None\n"
        "import vzlab.parsers\n"
        "try: vzlab.parsers.HDF5Parser\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.startswith("MissingDependencyError")
    assert "vzlab[hdf5]" in done.stdout
