"""FITS units as astropy reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import astropy
import numpy as np
from astropy.io import fits

from vzlab.oracles.base import NativeVariable, Readable, ReadFile, Region, Unstated, decoded

_UNSIGNED = {8: -(2.0**7), 16: 2.0**15, 32: 2.0**31, 64: 2.0**63}
"""BZERO that turns signed into unsigned numbers, or bytes into signed ones (FITS standard 4.0, 4.4.2.5)."""
_IMAGES = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)


def open_file(location: Any) -> ReadFile:
    """A file, its images and the columns of its tables."""
    stored = fits.open(location, do_not_scale_image_data=True, memmap=False)
    turned = fits.open(location, memmap=False)
    names: dict[str, int] = {}
    variables: list[Readable] = []
    for number, unit in enumerate(stored):
        name = _name(number, unit).replace("/", "_")
        names[name] = names.get(name, 0) + 1
        path = name if names[name] == 1 else f"{name}#{names[name]}"
        if isinstance(unit, fits.BinTableHDU | fits.TableHDU):
            variables += _columns(path, unit, _shown(location, number))
        elif isinstance(unit, _IMAGES) and unit.header.get("GROUPS") is not True and unit.shape:
            variables.append(_image(path, unit, turned[number], partial(_shown, location, number)))

    def close() -> None:
        stored.close()
        turned.close()

    return ReadFile(
        f"astropy {astropy.__version__}",
        variables,
        silence="astropy gives only images and columns of numbers and text that it does not change",
        close=close,
    )


def _shown(location: Any, number: int, options: str = ", do_not_scale_image_data=True") -> str:
    if not isinstance(location, str):
        return ""
    return f"astropy.io.fits.getdata({location!r}, {number}, memmap=False{options})"


def _name(number: int, unit: Any) -> str:
    if number == 0:
        return str(unit.header.get("EXTNAME", "")).strip() or "PRIMARY"
    given = str(unit.header.get("EXTNAME", "")).strip()
    return given or ("COMPRESSED_IMAGE" if isinstance(unit, fits.CompImageHDU) else str(number))


def _image(path: str, stored: Any, turned: Any, shown: Callable[..., str]) -> Readable:
    header = stored.header
    scale, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
    bitpix = int(header["BITPIX"])
    is_offset = scale == 1 and zero == _UNSIGNED.get(bitpix)
    attributes: dict[str, Any] = {}
    if not is_offset and (scale, zero) != (1.0, 0.0):
        attributes = {"scale_factor": scale, "add_offset": zero}
    if isinstance(header.get("BLANK"), int) and bitpix > 0 and not is_offset:
        attributes["_FillValue"] = header["BLANK"]
    unit = turned if is_offset else stored
    kind = "u" if bitpix == 8 else "i" if bitpix > 0 else "f"
    kind = {"u": "i", "i": "u"}[kind] if is_offset else kind

    def read(region: Region) -> Any:
        if any(part.start == part.stop for part in region):
            return np.zeros([part.stop - part.start for part in region], dtype)
        values = np.asarray(unit.section[region])
        return values.astype(values.dtype.newbyteorder("="))

    shape = tuple(stored.shape)
    dtype = np.dtype(f"{kind}{abs(bitpix) // 8}")
    described = NativeVariable(
        path=path,
        dims=(None,) * len(shape),
        shape=shape,
        dtype=dtype,
        attributes=Unstated(attributes),
        codecs=str(header.get("ZCMPTYPE", "none")),
        identity=path,
    )
    return Readable(
        described=described,
        read=read,
        decode=lambda region: decoded(path, read(region), attributes),
        shown=shown("") if is_offset else shown(),
    )


def _columns(path: str, unit: Any, shown: str) -> Iterator[Readable]:
    """Columns of plain numbers, which astropy gives as they are stored."""
    if not isinstance(unit, fits.BinTableHDU) or unit.data is None:
        return
    fields = unit.data.dtype.fields or {}
    for column in unit.columns:
        dtype = fields[column.name][0]
        code = column.format.lstrip("0123456789")[:1]
        if code not in "BIJKED" or column.bzero or column.bscale or column.dim or column.null is not None:
            continue
        shape = (len(unit.data), *(dtype.shape if dtype.shape not in ((), (1,)) else ()))
        plain = dtype.base.newbyteorder("=")
        described = NativeVariable(
            path=f"{path}/{column.name}",
            dims=(None,) * len(shape),
            shape=shape,
            dtype=plain,
            attributes=Unstated(),
            codecs="none",
            identity=f"{path}/{column.name}",
        )

        def read(region: Region, name: str = column.name, like: Any = (shape, plain)) -> Any:
            rows = np.asarray(unit.data[name][region[0]]).astype(like[1])
            return rows.reshape(len(rows), *like[0][1:])[(slice(None), *region[1:])]

        yield Readable(described=described, read=read, shown=shown and f"{shown}[{column.name!r}]")
