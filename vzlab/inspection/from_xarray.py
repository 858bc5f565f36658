"""Inspect xarray objects: variables that are virtual, lazy, in memory, or any mixture."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vzlab.inspection.behind import zarr_array_behind
from vzlab.inspection.build import build_inspection
from vzlab.inspection.from_zarr import subject_of_zarr
from vzlab.inspection.model import Inspection
from vzlab.inspection.subjects import Subject, SubjectGroup, name_dtype, subject_of_array
from vzlab.inspection.words import format_value
from vzlab.interop.virtualizarr import from_virtualizarr, is_virtualizarr
from vzlab.manifests import ManifestArray
from vzlab.storage import url_name


def handles(x: Any) -> bool:
    """Whether it is an xarray object."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(
        x, xarray.Dataset | xarray.DataTree | xarray.DataArray | xarray.Variable
    )


def inspect(x: Any, *, group: str | None = None, **_: Any) -> Inspection:
    """Describe a Dataset, DataTree, DataArray or Variable; no lazy value is loaded."""
    import xarray as xr

    if isinstance(x, xr.Variable):
        x = xr.DataArray(x, name="variable")
    if isinstance(x, xr.DataArray):
        name = x.name if x.name is not None else "array"
        x = x.rename(name)._to_dataset_whole() if name not in x.coords else x.coords.to_dataset()
    if isinstance(x, xr.DataTree):
        node = x[group] if group else x
        if not isinstance(node, xr.DataTree):
            raise KeyError(f"{group!r} is an array; expected a group")
        root = _tree(node, "", "")
    elif group:
        raise KeyError(f"A Dataset has no group {group!r}: only trees have groups")
    else:
        root = _dataset(x, "", "")
    n_virtual = sum(subject.held == "virtual" for part in root.walk() for subject in part.arrays)
    n_all = sum(len(part.arrays) for part in root.walk())
    mixture = "" if n_virtual == 0 else "virtual " if n_virtual == n_all else "partly virtual "
    kind = mixture + ("tree" if isinstance(x, xr.DataTree) else "dataset")
    return build_inspection(root, title=_title(x, root, kind), kind=kind, open_code="")


def _title(x: Any, root: SubjectGroup, kind: str) -> str:
    source = x.encoding.get("source")
    if isinstance(source, str):
        return url_name(source)
    arrays = {
        subject.path: subject.manifest
        for part in root.walk()
        for subject in part.arrays
        if subject.manifest is not None
    }
    if not arrays:
        return kind
    sources = dict.fromkeys(source for manifest in arrays.values() for source in manifest.sources)
    if len(sources) == 1:
        return url_name(next(iter(sources)).url)
    return f"{kind} over {len(sources):,} files" if sources else kind


def _tree(node: Any, name: str, path: str) -> SubjectGroup:
    here = _dataset(node.to_dataset(inherit=False), name, path)
    below = tuple(_tree(child, key, f"{path}/{key}" if path else key) for key, child in node.children.items())
    return SubjectGroup(name=name, path=path, attributes=here.attributes, arrays=here.arrays, groups=below)


def _dataset(dataset: Any, name: str, path: str) -> SubjectGroup:
    # The words of the file's own ``coordinates`` attributes are in the encoding; xarray's coordinates say the same.
    return SubjectGroup(
        name=name,
        path=path,
        attributes=dict(dataset.attrs),
        arrays=tuple(
            replace(
                _subject(
                    str(key),
                    f"{path}/{key}" if path else str(key),
                    variable,
                    is_coordinate=key in dataset.coords,
                ),
                index=type(dataset.xindexes[key]).__name__ if key in dataset.xindexes else "",
            )
            for key, variable in dataset.variables.items()
        ),
    )


def _subject(name: str, path: str, variable: Any, *, is_coordinate: bool) -> Subject:
    dims = tuple(map(str, variable.dims))
    encoding = {key: value for key, value in variable.encoding.items() if isinstance(key, str)}
    data = variable._data
    if is_virtualizarr(data):
        data = from_virtualizarr(data)
    if isinstance(data, ManifestArray):
        return subject_of_array(
            name,
            path,
            data,
            dims=dims,
            attributes=dict(variable.attrs),
            encoding_attributes=encoding,
            is_coordinate=is_coordinate,
        )
    stored = encoding.get("dtype")
    dtype = np.dtype(stored) if stored is not None and _is_dtype(stored) else variable.dtype
    in_memory = bool(variable._in_memory)
    behind = None if in_memory else zarr_array_behind(variable)
    if behind is not None:
        found = subject_of_zarr(name, path, behind)
        return replace(
            found,
            held="lazy",
            dims=dims,
            attributes=dict(variable.attrs),
            encoding_attributes=encoding,
            is_coordinate=is_coordinate,
            own_prefix="" if found.held == "stored" else None,
        )
    return Subject(
        name=name,
        path=path,
        held="in memory" if in_memory else "lazy",
        dims=dims,
        shape=tuple(variable.shape),
        dtype=dtype,
        dtype_name=name_dtype(dtype),
        attributes=dict(variable.attrs),
        encoding_attributes=encoding,
        codecs=None if in_memory else _codecs(encoding, dtype),
        chunks=None if in_memory else _chunks(encoding, variable),
        is_coordinate=is_coordinate,
        ends=_ends(variable) if in_memory else None,
    )


def _is_dtype(value: Any) -> bool:
    try:
        np.dtype(value)
    except TypeError:
        return False
    return True


def _chunks(encoding: Mapping[str, Any], variable: Any) -> tuple[int, ...] | None:
    """Chunk lengths as the file has them, if the array still has the shape that they were read with."""
    chunks = encoding.get("chunks") or encoding.get("chunksizes")
    if not isinstance(chunks, tuple | list) or len(chunks) != variable.ndim:
        return None
    if tuple(encoding.get("original_shape", variable.shape)) != tuple(variable.shape):
        return None
    return tuple(map(int, chunks)) if all(isinstance(n, int | np.integer) and n > 0 for n in chunks) else None


def _codecs(encoding: Mapping[str, Any], dtype: np.dtype[Any]) -> tuple[Mapping[str, Any], ...] | None:
    """The codec chain that xarray remembers of a Zarr array or a netCDF variable."""
    if "serializer" in encoding:
        listed = [
            *(encoding.get("filters") or ()),
            encoding["serializer"],
            *(encoding.get("compressors") or ()),
        ]
        return tuple(codec.to_dict() for codec in listed if hasattr(codec, "to_dict"))
    if "zlib" not in encoding:
        return None
    chain: list[dict[str, Any]] = [{"name": "bytes", "configuration": {"endian": _endian(dtype)}}]
    if encoding.get("shuffle"):
        chain.append({"name": "numcodecs.shuffle", "configuration": {"elementsize": dtype.itemsize}})
    if encoding["zlib"]:
        chain.append({"name": "numcodecs.zlib", "configuration": {"level": encoding.get("complevel")}})
    if encoding.get("fletcher32"):
        chain.append({"name": "numcodecs.fletcher32"})
    return tuple(chain)


def _endian(dtype: np.dtype[Any]) -> str:
    return (
        "big" if dtype.byteorder == ">" or (dtype.byteorder == "=" and sys.byteorder == "big") else "little"
    )


def _ends(variable: Any) -> tuple[str, str] | None:
    """First and last value of what is one-dimensional and in memory."""
    if variable.ndim != 1 or variable.size == 0 or variable.dtype.kind not in "iufMmOUT":
        return None
    first, last = (np.asarray(variable[position].values)[()] for position in (0, -1))
    return _moment(first), _moment(last)


def _moment(value: Any) -> str:
    """A value in words; a time without the zeros behind it."""
    if isinstance(value, np.datetime64):
        text = str(np.datetime64(value, "s"))
        return text.removesuffix("T00:00:00").removesuffix(":00").replace("T", " ")
    if isinstance(value, np.timedelta64):
        return str(np.timedelta64(value, "s"))
    text = format_value(value, value.dtype if isinstance(value, np.generic) else None)
    return text.removesuffix(" 00:00:00").removesuffix(":00") if "-" in text[1:] else text
