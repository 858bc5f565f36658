"""Scientific datasets of HDF4 as pyhdf reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyhdf.V
import pyhdf.VS
from pyhdf.error import HDF4Error
from pyhdf.HDF import HC, HDF
from pyhdf.SD import SD, SDC

from vzlab.oracles.base import NativeVariable, NoOracleError, Readable, ReadFile, Region, Unstated

_DTYPES = {
    SDC.INT8: "i1",
    SDC.UINT8: "u1",
    SDC.INT16: "i2",
    SDC.UINT16: "u2",
    SDC.INT32: "i4",
    SDC.UINT32: "u4",
    SDC.FLOAT32: "f4",
    SDC.FLOAT64: "f8",
}
_LIBRARY = ("CDF0.0", "RIG0.0", "RI0.0", "Dim0.0", "UDim0.0", "Var0.0", "Attr0.0", "_HDF")
"""How the classes of groups begin that the library makes for itself (HDF User's Guide, Vgroups)."""
_MAX_DEPTH = 50


def open_file(location: Any) -> ReadFile:
    """A file on this machine: datasets of numbers whose name is theirs alone, at the Vgroup that holds them."""
    if not isinstance(location, str):
        raise NoOracleError("pyhdf reads local files only: copy the file here")
    try:
        file = SD(location)
        places = _places(location)
    except HDF4Error as error:
        raise OSError(f"pyhdf cannot open it: {error}") from error
    return ReadFile(
        "pyhdf (HDF4)",
        list(_datasets(file, places)),
        silence="pyhdf is asked for scientific datasets of numbers whose name is theirs alone",
        close=file.end,
    )


def _places(location: str) -> dict[int, str]:
    """Path of the first Vgroup that holds a dataset, by the dataset's reference."""
    places: dict[int, str] = {}
    file = HDF(location)
    vgroups, vdatas = pyhdf.V.V(file), pyhdf.VS.VS(file)
    members: dict[int, tuple[str, list[tuple[int, int]]]] = {}
    ref = -1
    while True:
        try:
            ref = vgroups.getid(ref)
        except HDF4Error:  # there is no other one
            break
        group = vgroups.attach(ref)
        if not group._class.startswith(_LIBRARY):
            members[ref] = group._name, group.tagrefs()
        group.detach()
    inside = {ref for _, held in members.values() for tag, ref in held if tag == HC.DFTAG_VG}

    def walk(ref: int, path: str, depth: int) -> None:
        name, held = members[ref]
        here = f"{path}/{name}" if path else name
        for tag, inner in held:
            if tag == HC.DFTAG_NDG:
                places.setdefault(inner, here)
            elif tag == HC.DFTAG_VG and inner in members and depth < _MAX_DEPTH:
                walk(inner, here, depth + 1)

    for ref in members.keys() - inside:
        walk(ref, "", 0)
    vdatas.end()
    vgroups.end()
    file.close()
    return places


def _datasets(file: Any, places: dict[int, str]) -> Iterator[Readable]:
    found = [file.select(number) for number in range(file.info()[0])]
    counts = Counter(dataset.info()[0] for dataset in found)
    for dataset in found:
        name, rank, lengths, code, _ = dataset.info()
        is_made_up = bool(dataset.iscoordvar()) and (name.startswith("fakeDim") or bool(dataset.checkempty()))
        if counts[name] > 1 or code not in _DTYPES or "/" in name or is_made_up:
            continue
        shape = tuple(lengths) if rank > 1 else (int(np.ravel(lengths)[0]),)
        folder = places.get(dataset.ref(), "")
        path = f"{folder}/{name}" if folder else name
        yield Readable(
            described=NativeVariable(
                path=path,
                dims=(None,) * len(shape),
                shape=shape,
                dtype=np.dtype(_DTYPES[code]),
                attributes=Unstated(),
                codecs="not known",
                identity=path,
            ),
            read=partial(_read, dataset),
        )


def _read(dataset: Any, region: Region) -> Any:
    starts = [part.start for part in region]
    counts = [part.stop - part.start for part in region]
    if 0 in counts:
        return np.zeros(counts, _DTYPES[dataset.info()[3]])
    values = np.asarray(dataset.get(start=starts, count=counts)).reshape(counts)
    return values.astype(_DTYPES[dataset.info()[3]], copy=False)
