"""Every parser given what is not its format, or is damaged: a clear error, soon, and in little memory; never wrong values.

The short form goes through some damages of each kind; the long one (marked slow) counts its runs in ``docs/formats.md``.
"""

from __future__ import annotations

import gzip
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from obstore.store import MemoryStore

import vzlab as vz
from tests.parsers.one_of_each import VALUES, WRITERS
from tests.servers.http_server import HttpServer
from vzlab.detection import FORMATS
from vzlab.errors import SourceNotFoundError, VzlabError
from vzlab.manifests import ManifestGroup
from vzlab.parsers import parser_for
from vzlab.storage import StoreRegistry, read_array

MAX_CPU_S = 1.0
MAX_BYTES = 100_000_000
MAX_READ_BYTES = 1 << 24
N_DAMAGES = 2000
"""Of each format, in the long form."""

BY_KEY = {format_.key: format_ for format_ in FORMATS}
ONE_FILE = [key for key in WRITERS if key not in ("zarr", "icechunk")]
CONTAINED = [key for key in ONE_FILE if key not in ("dmrpp", "envi", "kerchunk", "lindi")]
"""Formats whose files hold their data, so that a file cut short lacks some."""

LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Earthdata Login</title></head><body>Sign in</body></html>"


@contextmanager
def soon_and_small() -> Iterator[None]:
    """Time of this process, so that others on the machine do not count."""
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
    finally:
        elapsed, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # Tracing makes Python several times slower.
    assert elapsed < 4 * MAX_CPU_S
    assert peak < MAX_BYTES


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What each writer wrote, once."""
    written: dict[str, Path] = {}

    def of(key: str) -> Path:
        if key not in written:
            written[key] = WRITERS[key](tmp_path_factory.mktemp(key))
            vz.open_group(written[key])  # what is loaded once is loaded now
        return written[key]

    return of


def held(data: bytes, name: str) -> tuple[str, StoreRegistry]:
    store = MemoryStore()
    store.put(name, data)
    return f"memory://held/{name}", StoreRegistry({"memory://held": store})


def outcome(data: bytes, name: str, parser: Any = None) -> dict[str, Any] | VzlabError:
    """Values by path, or the error; arrays that claim to be large are not read, those that fail to be read are left out."""
    url, registry = held(data, name)
    try:
        group = vz.open_group(url, parser=parser, registry=registry)
    except VzlabError as error:
        return error
    return dict(_readable(group, registry))


def _readable(group: ManifestGroup, registry: StoreRegistry) -> Iterator[tuple[str, Any]]:
    for path, array in group.walk_arrays():
        if np.prod(array.shape, dtype=object) * array.dtype.itemsize > MAX_READ_BYTES:
            continue
        try:
            yield path, read_array(array, registry, name=path)
        except VzlabError:
            continue


# -- something else ------------------------------------------------------------------------------------------------


def netcdf_in_gzip(folder: Path) -> bytes:
    with netCDF4.Dataset(folder / "inner.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 3)
        file.createVariable("x", "i4", ("x",))[:] = 1
    return gzip.compress((folder / "inner.nc").read_bytes())


OTHERS: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda _: b"",
    "one-byte": lambda _: b"\x89",
    "login-page": lambda _: LOGIN_PAGE,
    "netcdf-in-gzip": netcdf_in_gzip,
    "zeros": lambda _: bytes(5000),
    "noise": lambda _: random.Random(3).randbytes(5000),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("key", ["any", *ONE_FILE])
def test_what_is_another_thing_is_refused(tmp_path: Path, key: str, other: str) -> None:
    parser = None if key == "any" else parser_for(BY_KEY[key])()
    with soon_and_small():
        found = outcome(OTHERS[other](tmp_path), "other.bin", parser)
    assert isinstance(found, VzlabError), found
    assert "other.bin" in str(found)


@pytest.mark.parametrize("key", ONE_FILE)
def test_the_mark_of_another_format_is_refused(sound: Any, key: str) -> None:
    data = sound(key).read_bytes()
    damaged = b"XXXXXXXXXXXXXXXX" + data[16:]
    for parser in (None, parser_for(BY_KEY[key])()):
        found = outcome(damaged, "marked.bin", parser)
        if key == "nifti":  # whose mark is behind its header, of which the length alone is wrong
            continue
        assert isinstance(found, VzlabError), found


@pytest.mark.parametrize("key", ["any", *ONE_FILE])
def test_a_directory_and_nothing_at_all(tmp_path: Path, key: str) -> None:
    parser = None if key == "any" else parser_for(BY_KEY[key])()
    (tmp_path / "folder").mkdir()
    with pytest.raises(VzlabError, match="folder"):
        vz.open_group(tmp_path / "folder", parser=parser)
    with pytest.raises(SourceNotFoundError, match="absent"):
        vz.open_group(tmp_path / "absent.nc", parser=parser)


def test_a_server_without_the_file_or_with_a_login_page(
    http_server: Callable[..., HttpServer], tmp_path: Path
) -> None:
    (tmp_path / "data.nc").write_bytes(LOGIN_PAGE)
    server = http_server(tmp_path)
    for key in ["any", *ONE_FILE]:
        parser = None if key == "any" else parser_for(BY_KEY[key])()
        with pytest.raises(SourceNotFoundError, match=r"absent\.nc"):
            vz.open_group(server.url("absent.nc"), parser=parser)
        with pytest.raises(VzlabError, match=r"data\.nc"):
            vz.open_group(server.url("data.nc"), parser=parser)
    with pytest.raises(VzlabError, match=r"HTML page.*login"):
        vz.open_group(server.url("data.nc"))


# -- damaged -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ONE_FILE)
def test_a_file_cut_short_is_refused_or_gives_what_it_has(sound: Any, key: str) -> None:
    path = sound(key)
    data = path.read_bytes()
    for length in sorted({1, 4, 9, 40, 100, 350, 2000, len(data) // 4, len(data) // 2, len(data) - 1}):
        if length < len(data):
            with soon_and_small():
                found = outcome(data[:length], path.name)
            assert_not_wrong(found, key, f"cut to {length} of {len(data)}")


def assert_not_wrong(found: dict[str, Any] | VzlabError, key: str, what: str) -> None:
    """Values there are all right, as far as the file holds its data itself."""
    if isinstance(found, VzlabError) or key not in CONTAINED:
        return
    for name, values in found.items():
        if values.size == VALUES.size:
            np.testing.assert_array_equal(values.reshape(VALUES.shape), VALUES, err_msg=f"{name}, {what}")


def header_length(data: bytes) -> int:
    """What may be metadata: data are all beyond the first 3000 bytes, or the file ends before."""
    return min(len(data), 3000)


def damage(data: bytes, seed: int) -> bytes:
    """Bits flipped, or a number set to an extreme, in what may be metadata at either end."""
    chance = random.Random(seed)
    mutable = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        near = chance.randrange(header_length(data))
        at = near if chance.random() < 0.8 else len(data) - 1 - near
        width = min(chance.choice([1, 2, 4, 8]), len(data) - at)
        match chance.randrange(3):
            case 0:
                mutable[at] ^= 1 << chance.randrange(8)
            case 1:
                mutable[at : at + width] = b"\xff" * width
            case _:
                mutable[at : at + width] = chance.randbytes(width)
    return bytes(mutable)


def run_damages(path: Path, seeds: range) -> None:
    data = path.read_bytes()
    for seed in seeds:
        damaged = damage(data, seed)
        began = time.process_time()
        outcome(damaged, path.name)
        elapsed = time.process_time() - began
        assert elapsed < MAX_CPU_S, f"seed {seed} took {elapsed:.1f} s"


@pytest.mark.parametrize("key", ONE_FILE)
def test_damaged_metadata_are_an_error_of_ours_or_none(sound: Any, key: str) -> None:
    run_damages(sound(key), range(30))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("key", ONE_FILE)
def test_many_damages(sound: Any, key: str) -> None:
    run_damages(sound(key), range(30, 30 + N_DAMAGES))


@pytest.mark.parametrize("key", ONE_FILE)
def test_a_header_full_of_huge_counts(sound: Any, key: str) -> None:
    path = sound(key)
    data = path.read_bytes()
    for at in range(16, min(len(data), 120), 8):
        with soon_and_small():
            outcome(data[:at] + b"\x7f" + b"\xff" * 7 + data[at + 8 :], path.name)
