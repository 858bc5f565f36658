"""How often parsing waits for a server that is far away: requests at one time are one round."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import tifffile
import zarr

from tests.servers.http_server import HttpServer
from vzlab.parsers import NetCDF3Parser, Parser, TIFFParser, ZarrParser, ZipParser
from vzlab.storage import StoreRegistry
from vzlab.testing.servers.request_log import Request
from vzlab.testing.servers.s3_server import serve_s3

N_ARRAYS = 6
LATENCY_S = 0.2


def n_rounds(requests: Sequence[Request]) -> int:
    """Of requests in order of their beginning: a round ends when the first of its answers has come."""
    n, answered_s = 0, 0.0
    for request in requests:
        if request.started_s >= answered_s:
            n, answered_s = n + 1, request.started_s + request.duration_s
    return n


def zarr_store(path: Path, zarr_format: Any = 3, *, consolidated: bool = True) -> None:
    root = zarr.create_group(path, zarr_format=zarr_format)
    for number in range(N_ARRAYS):
        group = root.create_group(f"group{number}")
        group.create_array("x", shape=(2,), chunks=(1,), dtype="i4")[:] = number + 1
    if not consolidated:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # version 3 does not know consolidated metadata
        zarr.consolidate_metadata(path, zarr_format=zarr_format)


def zipped_store(path: Path) -> None:
    zarr_store(path.with_suffix(""))
    with zipfile.ZipFile(path, "w") as archive:
        # Content that would come with the end of the archive, or with its beginning, were it not there.
        archive.writestr("first", bytes(100_000))
        for file in sorted(path.with_suffix("").rglob("*")):
            if file.is_file():
                archive.write(file, str(file.relative_to(path.with_suffix(""))))
                archive.writestr(f"between/{file.relative_to(path.with_suffix(''))}", bytes(20_000))
        archive.writestr("last", bytes(100_000))


def netcdf3(path: Path) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.createDimension("x", 50_000)
        for number in range(N_ARRAYS):
            file.createVariable(f"v{number}", "f8", ("x",))[:] = np.zeros(50_000)


def stack(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        for number in range(40):
            writer.write(np.full((100, 200), number, "u2"), metadata=None, contiguous=False)


ARCHIVES: dict[str, tuple[Callable[[Path], None], Parser, int]] = {
    # The documents of the root; the lengths of all chunks, which no web server lists.
    "v3.zarr": (zarr_store, ZarrParser(), 2),
    "v2.zarr": (lambda path: zarr_store(path, 2), ZarrParser(), 2),
    # The end with the directory; documents; local headers.
    "store.zarr.zip": (zipped_store, ZipParser(), 3),
    "classic.nc": (netcdf3, NetCDF3Parser(), 1),
    # The head, and directories twice as many at a time.
    "stack.tif": (stack, TIFFParser(), 6),
}
"""What makes the archive, its parser, and the most rounds."""


@pytest.mark.parametrize("name", ARCHIVES)
def test_rounds_are_few_whatever_there_is(
    tmp_path: Path, http_server: Callable[..., HttpServer], name: str
) -> None:
    make, parse, most = ARCHIVES[name]
    make(tmp_path / name)
    server = http_server(tmp_path, latency_s=LATENCY_S)
    seen = []
    for _ in range(3):  # a machine that has other work may hold back some requests of a round
        server.clear_requests()
        group = parse(server.url(name))
        seen.append(n_rounds(server.requests))
        if seen[-1] <= most:
            break
    assert min(seen) <= most, [(r.method, r.path, r.range, r.started_s) for r in server.requests]
    assert dict(group.walk_arrays())


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_that_must_be_listed_takes_two_rounds_a_level(tmp_path: Path, zarr_format: int) -> None:
    zarr_store(tmp_path / "x.zarr", zarr_format, consolidated=False)
    with serve_s3(latency_s=LATENCY_S) as server:
        bucket = server.bucket()
        url = bucket.upload(tmp_path / "x.zarr")
        registry = StoreRegistry({bucket.url(): bucket.store})
        seen = []
        for _ in range(3):
            server.clear_requests()
            group = ZarrParser()(url, registry)
            seen.append(n_rounds(sorted(server.requests, key=lambda request: request.started_s)))
    assert len(dict(group.walk_arrays())) == N_ARRAYS
    assert group.index_decoder == "listing"
    # Documents of the root; what is listed of it, and documents; the same of the groups; lists of chunks.
    assert min(seen) <= 6, seen
