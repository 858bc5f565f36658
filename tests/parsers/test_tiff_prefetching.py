"""What parsing a remote TIFF file asks of its server: few parallel rounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
import tifffile
from obstore.store import MemoryStore

from vzlab.parsers import TIFFParser
from vzlab.parsers.tiff.prefetching import prefetch_directories
from vzlab.storage import CachedSource, RequestLog, StoreRegistry

type Make = Callable[[Path], None]


def stack(**options: Any) -> Make:
    def make(path: Path) -> None:
        with tifffile.TiffWriter(path, **options) as writer:
            for number in range(50):
                writer.write(np.full((100, 200), number, "u2"), metadata=None, contiguous=False)

    return make


def uneven(path: Path) -> None:
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter(path) as writer:
        for _ in range(6):
            writer.write(
                rng.integers(0, 9, (300, 300), "u2"),
                metadata=None,
                compression="zlib",
                description="x" * 3000,
            )


def pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        image = np.random.default_rng(0).integers(0, 200, (2048, 2048), "u1")
        writer.write(image, tile=(32, 32), subifds=5, metadata=None)
        for level in range(1, 6):
            writer.write(image[:: 2**level, :: 2**level], tile=(32, 32), subfiletype=1, metadata=None)


ARCHIVES: dict[str, tuple[Make, int]] = {
    "stack": (stack(), 8),
    "big-endian stack": (stack(byteorder=">"), 8),
    "BigTIFF stack": (stack(bigtiff=True), 8),
    "uneven": (uneven, 7),
    "pyramid": (pyramid, 3),
}
"""What makes the file, and the most rounds that it takes."""


@pytest.mark.parametrize("archive", ARCHIVES)
def test_directories_are_fetched_in_rounds(tmp_path: Path, archive: str) -> None:
    make, most_rounds = ARCHIVES[archive]
    make(tmp_path / "x.tif")
    store = MemoryStore()
    obstore.put(store, "x.tif", tmp_path / "x.tif")
    ahead, whole = RequestLog(), RequestLog()
    source = CachedSource(StoreRegistry({"far://": store}, log=ahead).open("far:///x.tif"))
    assert 1 <= prefetch_directories(source) <= most_rounds
    remote = TIFFParser()("far:///x.tif", StoreRegistry({"far://": store}, log=whole))
    assert len(whole) == len(ahead)
    assert whole.total_bytes < (tmp_path / "x.tif").stat().st_size / 2
    assert remote.arrays.keys() == TIFFParser()(tmp_path / "x.tif").arrays.keys()


@pytest.mark.parametrize("archive", ARCHIVES)
def test_damaged_directories_end_the_fetching_and_nothing_else(tmp_path: Path, archive: str) -> None:
    ARCHIVES[archive][0](tmp_path / "x.tif")
    sound = np.frombuffer((tmp_path / "x.tif").read_bytes(), np.uint8)
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        begins = [page.offset for page in file.pages]
    rng = np.random.default_rng(0)
    for _ in range(30):
        data = sound.copy()
        at = rng.choice(begins, 5) + rng.integers(0, 200, 5)
        data[at[at < len(data)]] = rng.integers(0, 256)
        store = MemoryStore()
        store.put("x.tif", data.tobytes())
        log = RequestLog()
        prefetch_directories(CachedSource(StoreRegistry({"far://": store}, log=log).open("far:///x.tif")))
        assert log.total_bytes < 3 * len(data)
