"""The HDF5 files that are measured, made once and kept in a folder."""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

type Index = Literal["v1 B-tree", "fixed array", "extensible array", "v2 B-tree"]
"""How HDF5 finds chunks; the first is what every file has that was not made with ``libver="latest"``."""

type Layout = Literal["contiguous", "raw 4 KB", "raw 40 KB", "raw 256 KB", "deflate 256 KB", "zstd 256 KB"]

INDICES: tuple[Index, ...] = ("v1 B-tree", "fixed array", "extensible array", "v2 B-tree")

CHUNK_ELEMENTS: dict[Layout, int | None] = {
    "contiguous": None,
    "raw 4 KB": 1_024,
    "raw 40 KB": 10_240,
    "raw 256 KB": 65_536,
    "deflate 256 KB": 65_536,
    "zstd 256 KB": 65_536,
}
"""Chunk lengths of a one-dimensional array of 4-byte floats."""

_EDITION = 2
"""Part of every name: count it up when the content of a file changes."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Makes files in a folder, each at its first use."""

    folder: Path

    @classmethod
    def in_temporary_folder(cls) -> Files:
        """Kept between runs, where the system keeps temporary files."""
        return cls(folder=Path(tempfile.gettempdir()) / f"vzlab-benchmarks-{getpass.getuser()}")

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        path = self.folder / f"{name}-{_EDITION}.h5"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            # A run that is broken off leaves no half of a file under the name.
            unfinished = path.with_suffix(f".{os.getpid()}")
            make(unfinished)
            unfinished.replace(path)
        return path

    def many_chunks(self, n_chunks: int, index: Index) -> Path:
        """One variable ``x`` of as many chunks of 4 bytes, found by an index of one kind."""

        def make(path: Path) -> None:
            rows, columns = grid_shape(n_chunks)
            shape = (rows, 4 * columns)
            limits: dict[Index, tuple[int | None, ...] | None] = {
                "v1 B-tree": None,
                "fixed array": None,
                "extensible array": (None, shape[1]),
                "v2 B-tree": (None, None),
            }
            with h5py.File(path, "w", libver="earliest" if index == "v1 B-tree" else "latest") as file:
                x = file.create_dataset("x", shape, "u1", chunks=(1, 4), maxshape=limits[index])
                for row in range(rows):
                    x[row] = row % 251

        return self._made(f"chunks-{n_chunks}-{index.replace(' ', '-')}", make)

    def small(self, number: int) -> Path:
        """One of a row of files of 250 KB with 7 variables: a day of four packed fields and their coordinates."""
        return self._made(f"small-{number}", lambda path: _make_day(path, number))

    def many_variables(self, n_variables: int) -> Path:
        """A file with three coordinates and as many variables on them, 10 attributes each."""

        def make(path: Path) -> None:
            with h5py.File(path, "w") as file:
                _add_coordinates(file, day=0, n_lat=18, n_lon=36)
                for number in range(n_variables):
                    _add_field(file, f"field_{number:03}", np.zeros((1, 18, 36), "i2"), number)

        return self._made(f"variables-{n_variables}", make)

    def scattered(self, n_variables: int, bytes_apart: int, *, page_bytes: int | None = None) -> Path:
        """A file of chunked variables with 10 attributes, the metadata of each behind the data of the one before.

        With `page_bytes` metadata and data lie on pages of their own.
        """

        def make(path: Path) -> None:
            paged: dict[str, Any] = {"fs_strategy": "page", "fs_page_size": page_bytes} if page_bytes else {}
            with h5py.File(path, "w", **paged) as file:
                for number in range(n_variables):
                    x = file.create_dataset(
                        f"x{number:04}", (bytes_apart // 4,), "f4", chunks=(bytes_apart // 16,)
                    )
                    x.attrs.update({f"attribute_{i}": f"what is said of {number}, {i}" for i in range(10)})
                    x[...] = np.float32(number)
                    file.flush()  # else headers are written together at the end

        name = f"scattered-{n_variables}-{bytes_apart}"
        return self._made(name if page_bytes is None else f"{name}-paged-{page_bytes}", make)

    def array(self, n_bytes: int, layout: Layout) -> Path:
        """One variable ``x``, smooth 4-byte floats in one dimension."""

        def make(path: Path) -> None:
            chunk = CHUNK_ELEMENTS[layout]
            options: dict[str, Any] = {} if chunk is None else {"chunks": (chunk,)}
            if layout.startswith("deflate"):
                options |= {"compression": "gzip", "compression_opts": 4, "shuffle": True}
            if layout.startswith("zstd"):
                import hdf5plugin  # registers its filters

                options |= dict(hdf5plugin.Zstd(clevel=3), shuffle=True)
            with h5py.File(path, "w") as file:
                file.create_dataset("x", data=smooth(n_bytes // 4), **options)

        return self._made(f"array-{n_bytes}-{layout.replace(' ', '-')}", make)


def grid_shape(n_chunks: int) -> tuple[int, int]:
    """A chunk grid of as many chunks, rows of a thousand where there are enough."""
    columns = min(n_chunks, 1_000)
    if n_chunks % columns:
        raise ValueError(f"Found {n_chunks} chunks; expected a multiple of {columns}")
    return n_chunks // columns, columns


def smooth(n: int) -> npt.NDArray[np.float32]:
    """A random walk in hundredths: it compresses as measured fields do, to about a third."""
    steps = np.random.default_rng(0).integers(-50, 51, n)
    return (np.cumsum(steps) / 100).astype(np.float32)


def _make_day(path: Path, number: int) -> None:
    with h5py.File(path, "w") as file:
        n_lat, n_lon = 136, 270
        _add_coordinates(file, day=number, n_lat=n_lat, n_lon=n_lon)
        rng = np.random.default_rng(number)
        for seed, name in enumerate(("sst", "anom", "err", "ice")):
            walk = np.cumsum(rng.integers(-90, 91, n_lat * n_lon)).astype("i2")
            _add_field(file, name, walk.reshape(1, n_lat, n_lon), seed, n_attributes=6, chunks=(1, 68, 135))
        file.attrs.update({f"attribute_{i}": f"what the archive says of its files, {i}" for i in range(10)})


def _add_coordinates(file: Any, *, day: int, n_lat: int, n_lon: int) -> None:
    coordinates = {
        "time": (np.array([day], "f8"), {"units": "days since 2000-01-01", "calendar": "standard"}),
        "lat": (np.linspace(-89, 89, n_lat, dtype="f4"), {"units": "degrees_north"}),
        "lon": (np.linspace(0, 358, n_lon, dtype="f4"), {"units": "degrees_east"}),
    }
    for name, (values, attributes) in coordinates.items():
        scale = file.create_dataset(name, data=values)
        scale.make_scale(name)
        scale.attrs.update({**attributes, "standard_name": name, "long_name": f"{name} of the grid"})


def _add_field(
    file: Any, name: str, values: npt.NDArray[np.int16], seed: int, *, n_attributes: int = 10, **options: Any
) -> None:
    field = file.create_dataset(
        name, data=values, compression="gzip", shuffle=True, fillvalue=-999, **options
    )
    for axis, dimension in enumerate(("time", "lat", "lon")):
        field.dims[axis].attach_scale(file[dimension])
    attributes = {
        "_FillValue": np.array([-999], "i2"),
        "scale_factor": np.float32(0.01),
        "add_offset": np.float32(seed),
        "units": "K",
        "long_name": f"field number {seed}",
        "standard_name": "sea_surface_temperature",
        "valid_min": np.int16(-300),
        "valid_max": np.int16(4500),
        "cell_methods": "time: mean",
        "comment": "made for measuring",
    }
    field.attrs.update(dict(list(attributes.items())[:n_attributes]))
