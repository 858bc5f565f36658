"""TIFF pages as tifffile reads them, and pixel centres as GeoTIFF tags place them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile

from vzlab.oracles.base import NativeVariable, Readable, ReadFile, Region, Unstated

_REDUCED = 1  # TIFF 6.0, NewSubfileType: bit 0


def open_file(location: Any) -> ReadFile:
    """The pages of full size; what is said of overviews and of the ground is not judged."""
    file = tifffile.TiffFile(location)
    return ReadFile(
        f"tifffile {tifffile.__version__}",
        list(_pages(file, location)),
        silence="tifffile gives pages by number; overviews, masks and coordinates are an arrangement of the parser",
        close=file.close,
    )


def _pages(file: Any, location: Any) -> Iterator[Readable]:
    for number, page in enumerate(file.pages):
        page = file.pages.get(number) if not isinstance(page, tifffile.TiffPage) else page  # noqa: PLW2901
        if (number and int(page.subfiletype) & _REDUCED) or page.dtype is None or 0 in page.shape:
            continue
        is_interleaved = page.axes == "YXS"
        shape = (page.shape[2], *page.shape[:2]) if is_interleaved else tuple(page.shape)
        described = NativeVariable(
            path=str(number),
            dims=(None,) * len(shape),
            shape=shape,
            dtype=np.dtype(page.dtype),
            attributes=Unstated(),
            codecs=str(getattr(page.compression, "name", page.compression)).lower(),
            identity=number,
        )
        page_of = f"tifffile.imread({location!r}, key={number})"
        yield Readable(
            described=described,
            read=_reader(page, is_interleaved=is_interleaved),
            shown=(page_of + ".transpose(2, 0, 1)" * is_interleaved) if isinstance(location, str) else "",
        )


def _reader(page: Any, *, is_interleaved: bool) -> Any:
    kept: list[Any] = []

    def read(region: Region) -> Any:
        # A page is decoded once, whole: tifffile has no call for a part of one.
        if not kept:
            values = page.asarray()
            kept.append(np.moveaxis(values, -1, 0) if is_interleaved else values)
        return kept[0][region]

    return read
