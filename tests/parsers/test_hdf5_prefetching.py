"""What parsing a remote HDF5 file asks of its server: a few parallel rounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.servers.http_server import HttpServer
from vzlab.parsers import HDF5Parser
from vzlab.parsers.hdf5.prefetching import prefetch_metadata
from vzlab.storage import CachedSource, StoreRegistry


def scattered_file(path: Path, **options: Any) -> None:
    """Datasets whose headers lie 100 KB apart from each other."""
    with h5py.File(path, "w", **options) as file:
        for number in range(60):
            dataset = file.create_dataset(
                f"x{number:02}", data=np.full((50, 500), number, "f4"), chunks=(25, 500)
            )
            dataset.attrs["units"] = "K"


@pytest.mark.parametrize("libver", ["earliest", "v108"])
def test_a_scattered_file_is_parsed_from_what_was_fetched_in_rounds(
    tmp_path: Path, http_server: Callable[..., HttpServer], libver: str
) -> None:
    path = tmp_path / "x.h5"
    scattered_file(path, libver=libver)
    server = http_server(tmp_path)
    source = CachedSource(StoreRegistry().open(server.url("x.h5")))
    n_rounds = prefetch_metadata(source)
    n_prefetched = len(server.requests)
    server.clear_requests()
    remote = HDF5Parser()(server.url("x.h5"))
    assert n_rounds <= 8
    sent = sum(request.length_bytes for request in server.requests)
    if libver == "earliest":
        # The library found everything; the first request alone takes 64 KB.
        assert len(server.requests) <= n_prefetched + 1
        assert sent < 2**16 + 60 * 9 * 1024
    local = HDF5Parser()(path)
    assert set(remote.arrays) == set(local.arrays)
    for name, array in local.arrays.items():
        np.testing.assert_array_equal(remote.arrays[name].manifest.offsets, array.manifest.offsets)
