"""HDF5 and netCDF4 files as h5py reads them, decoded as xarray decodes them over h5netcdf or netCDF4."""

from __future__ import annotations

import contextlib
import importlib.util
import posixpath
from array import array
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.errors import first_line
from vzlab.oracles.base import NativeChunks, NativeFile, NativeVariable, Region, Unclear
from vzlab.oracles.decoding import native_engine_options, open_decoded, read_region, show_xarray

if importlib.util.find_spec("hdf5plugin"):
    import hdf5plugin  # noqa: F401 - registers filters with HDF5

SMALL_BYTES = 2**20
"""A variable whose decoded values take no more is read whole when the first of them is asked for."""

_NOT_A_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"
_NON_COORDINATE = (
    "_nc4_non_coord_"  # netCDF-4 format spec: a variable that shares a dimension's name and is none
)
_INTERNAL = frozenset(
    {
        "DIMENSION_LIST",
        "DIMENSION_LABELS",
        "REFERENCE_LIST",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_NCProperties",
        "_nc3_strict",
    }
)
_FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_SZIP: "szip",
    h5py.h5z.FILTER_NBIT: "nbit",
    h5py.h5z.FILTER_SCALEOFFSET: "scaleoffset",
}


class Hdf5File(NativeFile):
    """One file, open with h5py; xarray opens it a second time when decoded values are asked for.

    Parameters
    ----------
    location : str or file object
    """

    def __init__(self, location: Any) -> None:
        self._location = location
        self._file = h5py.File(location, "r")
        self._groups: dict[str, Mapping[str, Any]] = {}
        self._found: tuple[str, Any] | None = None
        self._table: tuple[str, NativeChunks | None] | None = None
        self._decoded: dict[tuple[str, str], xr.Dataset | Exception] = {}
        # netCDF4 is several times as fast. It opens paths only, and may crash on HDF5 that netCDF did not write.
        is_netcdf = "_NCProperties" in self._file.attrs or _has_netcdf_dimensions(self._file)
        wanted = ("netCDF4", "h5netcdf") if isinstance(location, str) and is_netcdf else ("h5netcdf",)
        self._engines = [name.lower() for name in wanted if importlib.util.find_spec(name)]

    @property
    def reader(self) -> str:
        """h5py and HDF5 with their versions."""
        return f"h5py {h5py.version.version} (HDF5 {h5py.version.hdf5_version})"

    @cached_property
    def variables(self) -> Mapping[str, NativeVariable]:
        """Every dataset by path, under each of its names; pure dimensions left out."""
        # Of thousands of files each is opened several times: what it says is asked for once.
        return self._describe_all()

    @property
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of every group by path."""
        self._groups or self.variables  # noqa: B018 - walking the datasets finds the groups
        return self._groups

    # -- describing -------------------------------------------------------------------------------------------------

    def _describe_all(self) -> dict[str, NativeVariable]:
        datasets = dict(self._walk(self._file, "", frozenset()))
        dimension_ids = {
            int(dataset.attrs["_Netcdf4Dimid"]): posixpath.basename(path)
            for path, dataset in datasets.items()
            if "_Netcdf4Dimid" in dataset.attrs and _is_scale(dataset)
        }
        found = {}
        for path, dataset in datasets.items():
            if dataset.shape is None or _is_pure_dimension(dataset):
                continue
            folder, name = posixpath.split(path)
            shown = posixpath.join(folder, name.removeprefix(_NON_COORDINATE))
            found[shown] = _describe(shown, dataset, dimension_ids)
        return found

    def _walk(self, group: Any, path: str, above: frozenset[Any]) -> Iterator[tuple[str, Any]]:
        """Every dataset below a group; a group that contains itself is entered once."""
        identity = _identity(group)
        if identity in above:
            return
        self._groups[path] = _attributes(group)
        for name in group:
            inner = f"{path}/{name}" if path else name
            try:
                item = group[name]
            except (KeyError, OSError):  # a link to nowhere
                continue
            if isinstance(item, h5py.Group):
                yield from self._walk(item, inner, above | {identity})
            elif isinstance(item, h5py.Dataset):
                yield inner, item

    # -- reading ----------------------------------------------------------------------------------------------------

    def _dataset(self, path: str) -> Any:
        """A dataset by the path of its variable; the last one is kept, with what h5py has found out of it."""
        found = self._found
        if found is None or found[0] != path:
            folder, name = posixpath.split(path)
            hidden = posixpath.join(folder, _NON_COORDINATE + name)
            found = self._found = path, self._file[hidden if hidden in self._file else path]
        return found[1]

    def read(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Stored values of a region."""
        dataset = self._dataset(path)
        values = np.asarray(dataset[region[: dataset.ndim]])
        if h5py.check_ref_dtype(dataset.dtype) is h5py.Reference:
            values = self._names(values)
        # Elements that are arrays come whole.
        return values[(*(slice(None) for _ in dataset.shape), *region[dataset.ndim :])]

    def read_into(self, path: str, region: Region, out: npt.NDArray[Any]) -> bool:
        """Read numbers of a region, which numpy need not convert, into an array."""
        dataset = self._dataset(path)
        if dataset.dtype != out.dtype or out.dtype.kind not in "iuf" or not out.ndim:
            return False
        dataset.read_direct(out, region)
        return True

    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Values of a region as xarray decodes them: over netCDF4, and over h5netcdf text and what netCDF4 cannot read."""
        if h5py.check_ref_dtype(self._dataset(path).dtype) is h5py.Reference:
            return self.read(path, region)
        folder, name = posixpath.split(path)
        failures = []
        dtype = _dtype(self._dataset(path))[0]
        # netCDF4 keeps the blanks that pad some text: h5netcdf reads text as h5py does.
        is_text = dtype is None or dtype.kind in "OS"
        for engine in self._engines[::-1] if is_text else self._engines:
            try:
                return read_region(self._decoded_variable(folder, name, engine), region)
            except Exception as error:  # noqa: BLE001 - whatever xarray or its engines raise: the next one may do
                failures.append(f"{engine}: {first_line(error)}")
        raise OSError(
            "; ".join(failures) or "xarray reads this format with netCDF4 or h5netcdf: install one of them"
        )

    def _decoded_variable(self, folder: str, name: str, engine: str) -> xr.Variable:
        variable = self._open_decoded(folder, engine).variables[name]
        dataset = self._dataset(posixpath.join(folder, name))
        expected = (*dataset.shape, *_dtype(dataset)[1])
        if variable.shape != expected:  # as netCDF pads what is shorter than its unlimited dimension
            raise ValueError(f"it sees the shape {variable.shape} where HDF5 has {expected}")
        # Going through xarray chunk by chunk takes milliseconds each: a small variable is read once.
        return variable.load() if variable.nbytes <= SMALL_BYTES else variable

    def _open_decoded(self, folder: str, engine: str) -> xr.Dataset:
        key = folder, engine
        if key not in self._decoded:
            try:
                self._decoded[key] = open_decoded(
                    self._location, group=folder, **native_engine_options(engine)
                )
            except Exception as error:  # noqa: BLE001 - kept, so that it is not tried again
                self._decoded[key] = error
        opened = self._decoded[key]
        if isinstance(opened, Exception):
            raise opened
        return opened

    def chunk_table(self, path: str) -> NativeChunks | None:
        """Where the chunks of a dataset lie, from HDF5's own index; the last one is kept."""
        if self._table is None or self._table[0] != path:
            self._table = path, self._read_chunk_table(path)
        return self._table[1]

    def _read_chunk_table(self, path: str) -> NativeChunks | None:
        dataset = self._dataset(path)
        if dataset.chunks is None or dataset.is_virtual or _dtype(dataset)[1]:
            return None
        grid = tuple(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
        rank = len(grid)
        # Numbers, not the library's objects: a million of those take hundreds of megabytes.
        numbers = array("q")
        dataset.id.chunk_iter(
            lambda info: numbers.extend((*info.chunk_offset, info.byte_offset, info.size, info.filter_mask))
        )
        stored = np.frombuffer(numbers, np.int64).reshape(-1, rank + 3)
        present = np.zeros(grid, bool)
        offsets, lengths = np.zeros(grid, np.uint64), np.zeros(grid, np.uint64)
        masks = np.zeros(grid, np.uint32)
        if self._is_misnumbered(dataset, stored):
            return None
        if len(stored) and 0 not in grid:
            at = stored[:, :rank] // np.array(dataset.chunks, np.int64)
            inside = (at < np.array(grid)).all(axis=1)
            flat = np.ravel_multi_index(tuple(at[inside].T), grid)
            present.reshape(-1)[flat] = True
            for number, column in enumerate((offsets, lengths, masks), start=rank):
                column.reshape(-1)[flat] = stored[inside, number]
        return NativeChunks(
            chunks=dataset.chunks, present=present, offsets=offsets, lengths=lengths, filter_masks=masks
        )

    def _is_misnumbered(self, dataset: Any, listed: npt.NDArray[np.int64]) -> bool:
        """Whether HDF5 lists chunks under wrong numbers, as a few of them show.

        It does so for extensible arrays (HDF5 spec VII.D) whose one unlimited dimension is not the first: listing, it
        forgets that the index moves this dimension to the front. Reading by number, it does not forget.
        """
        unlimited = [axis for axis, size in enumerate(dataset.maxshape) if size is None]
        if len(unlimited) != 1 or unlimited[0] == 0:
            return False
        rank = dataset.ndim
        if (listed[:, :rank] >= dataset.shape).any() or not isinstance(self._location, str):
            return True
        chosen = listed[np.unique(np.linspace(0, len(listed) - 1, min(len(listed), 16)).astype(int))]
        with open(self._location, "rb") as file:  # noqa: PTH123 - a path as h5py was given it
            for row in chosen.tolist():
                file.seek(row[rank])
                try:
                    same = file.read(row[rank + 1]) == dataset.id.read_direct_chunk(tuple(row[:rank]))[1]
                except (OSError, ValueError, RuntimeError):
                    return True
                if not same:
                    return True
        return False

    def _names(self, references: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What references point to, as the paths by which the library finds it; nothing for those that point nowhere."""
        names = [str(self._file[each].name) if each else "" for each in references.reshape(-1)]
        return np.array(names, np.dtypes.StringDType()).reshape(references.shape)

    def stored_chunk(self, path: str, index: tuple[int, ...]) -> bytes | None:
        """Stored bytes of a chunk, filters not undone; None if it was never written or there are no chunks."""
        dataset = self._dataset(path)
        if dataset.chunks is None:
            return None
        index = index[: dataset.ndim]
        corner = tuple(i * c for i, c in zip(index, dataset.chunks, strict=True))
        try:
            return bytes(dataset.id.read_direct_chunk(corner)[1])
        except (OSError, ValueError, RuntimeError):  # never written
            return None

    def shown(self, path: str, *, decoded: bool) -> str:
        """How h5py reads stored values, and xarray decoded ones."""
        if not isinstance(self._location, str):
            return ""
        if decoded:
            return show_xarray(self._location, path)
        return f"h5py.File({self._location!r})[{self._dataset(path).name!r}]"

    def contiguous_range(self, path: str) -> tuple[int, int] | None:
        """Where a contiguous dataset lies; None where it is chunked, compact, external, virtual or never written."""
        dataset = self._dataset(path)
        if dataset.chunks is not None or dataset.is_virtual or dataset.external:
            return None
        offset = dataset.id.get_offset()
        return None if offset is None else (int(offset), int(dataset.id.get_storage_size()))

    def close(self) -> None:
        """Close the file."""
        for opened in self._decoded.values():
            if isinstance(opened, xr.Dataset):
                opened.close()
        self._file.close()


def _identity(item: Any) -> Any:
    try:
        info = h5py.h5o.get_info(item.id)
    except RuntimeError:  # a file that ends before it says it does
        return item.file.filename, item.name
    return item.file.filename, info.fileno, info.addr


def _has_netcdf_dimensions(group: Any) -> bool:
    for name in group:
        with contextlib.suppress(KeyError, OSError, RuntimeError):
            if "_Netcdf4Dimid" in group[name].attrs:
                return True
    return False


def _is_scale(dataset: Any) -> bool:
    return bool(h5py.h5ds.is_scale(dataset.id))


def _is_pure_dimension(dataset: Any) -> bool:
    name = dataset.attrs.get("NAME")
    return isinstance(name, bytes) and name.startswith(_NOT_A_VARIABLE)


def _describe(path: str, dataset: Any, dimension_ids: Mapping[int, str]) -> NativeVariable:
    attributes = _attributes(dataset)
    dtype, inner = _dtype(dataset)
    enum = None if dtype is None else h5py.check_enum_dtype(dtype)
    if enum is not None:
        attributes.setdefault("enum", enum)
    return NativeVariable(
        path=path,
        dims=(*_dimensions(posixpath.basename(path), dataset, dimension_ids), *(None for _ in inner)),
        shape=(*dataset.shape, *inner),
        dtype=None if dtype is None or dtype.hasobject else dtype.newbyteorder("="),
        attributes=attributes,
        chunks=None if dataset.chunks is None else (*dataset.chunks, *inner),
        codecs=_codecs(dataset),
        identity=_identity(dataset),
    )


def _dtype(dataset: Any) -> tuple[np.dtype[Any] | None, tuple[int, ...]]:
    """Data type of the elements and, where these are arrays, their shape; None for a type that numpy lacks."""
    try:
        dtype = dataset.dtype
    except (ValueError, TypeError):
        return None, ()
    shape: tuple[int, ...] = ()
    while dtype.subdtype is not None:
        dtype, inner = dtype.subdtype
        shape += inner
    return dtype, shape


def _dimensions(name: str, dataset: Any, dimension_ids: Mapping[int, str]) -> tuple[str | None, ...]:
    ids = dataset.attrs.get("_Netcdf4Coordinates")
    if ids is not None and len(ids) == dataset.ndim:
        return tuple(dimension_ids.get(int(i)) for i in ids)
    if _is_scale(dataset) and dataset.ndim == 1:
        return (name.removeprefix(_NON_COORDINATE),)
    return tuple(_scale_name(dataset, axis) for axis in range(dataset.ndim))


def _scale_name(dataset: Any, axis: int) -> str | None:
    with contextlib.suppress(KeyError, RuntimeError, OSError, ValueError):
        scales = dataset.dims[axis]
        if len(scales):
            full = scales[0].name
            return posixpath.basename(full).removeprefix(_NON_COORDINATE) if full else None
    return None


def _codecs(dataset: Any) -> str:
    plist = dataset.id.get_create_plist()
    names = []
    for i in range(plist.get_nfilters()):
        code, _, options, name = plist.get_filter(i)
        text = _FILTERS.get(code) or name.decode("utf-8", "replace").partition(";")[0] or f"filter {code}"
        names.append(f"{text} {options[0]}" if text == "gzip" and options else text)
    return ", ".join(names) or ("none" if dataset.chunks else "not chunked")


def _attributes(item: Any) -> dict[str, Any]:
    """Attributes as Python and numpy values."""
    values: dict[str, Any] = {}
    is_scale = isinstance(item, h5py.Dataset) and _is_scale(item)
    try:
        names = list(item.attrs)
    except RuntimeError:  # what is stored of them is broken
        return values
    for name in names:
        if name in _INTERNAL or (is_scale and name in {"CLASS", "NAME"}):
            continue
        try:
            value = item.attrs[name]
        except (OSError, TypeError, ValueError, KeyError):
            value = Unclear.VALUE
        values[name] = Unclear.VALUE if _is_unclear(value) else value
    return values


def _is_unclear(value: Any) -> bool:
    """Whether an attribute is empty, refers to an object, is a record, or holds lists of several lengths."""
    if isinstance(value, h5py.Empty | h5py.Reference | h5py.RegionReference | np.void):
        return True
    if not isinstance(value, np.ndarray):
        return False
    if value.dtype.kind == "O":
        return not all(isinstance(item, str | bytes) for item in value.reshape(-1))
    return value.dtype.names is not None
