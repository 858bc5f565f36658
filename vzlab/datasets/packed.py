"""Many opened files in little room: what they share is held once, their references as columns of all of them."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import xarray as xr
from xarray.indexes import PandasIndex

from vzlab.datasets.coordinates import source_key
from vzlab.manifests import ChunkManifest, ManifestArray
from vzlab.manifests.concatenation import concatenate_manifests

type Held = tuple[xr.Variable, xr.Index | None]
"""A variable, without its references if it is virtual, and its index if it has one."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """One file without what it shares with others and without references."""

    variables: Mapping[Hashable, bytes | Held]
    """What is shared goes by its digest."""
    coordinates: frozenset[Hashable]
    attributes: Mapping[Any, Any]
    encoding: Mapping[Any, Any]
    source_key: Any
    """Tells by its references whether it is the same file as another."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Opened files as they travel: about 20 bytes a reference, and what they share once."""

    shared: Mapping[bytes, Held]
    outlines: tuple[Outline, ...]
    columns: Mapping[Hashable, ChunkManifest]
    """By variable, the chunks of all files that have it virtual, in C order, file after file."""


def pack(datasets: Sequence[xr.Dataset]) -> Bundle:
    """Take opened files apart into what they share and what each has; nothing is lost."""
    shared: dict[bytes, Held] = {}
    flat: dict[Hashable, list[ChunkManifest]] = {}
    outlines = []
    for dataset in datasets:
        variables: dict[Hashable, bytes | Held] = {}
        for name, variable in dataset._variables.items():
            index = dataset._indexes.get(name)
            held: Held = (variable, index)
            data: Any = variable._data
            if isinstance(data, ManifestArray):
                manifest = data.manifest
                flat.setdefault(name, []).append(manifest.reshape((manifest.n_chunks,)))
                hollow = replace(data, manifest=ChunkManifest.empty(manifest.grid_shape))
                held = (variable._replace(data=hollow), None)
            digest = _digest(*held)
            variables[name] = held if digest is None else digest
            if digest is not None:
                shared.setdefault(digest, held)
        outlines.append(
            Outline(
                variables=variables,
                coordinates=frozenset(dataset._coord_names),
                attributes=dataset.attrs,
                encoding=dataset.encoding,
                source_key=source_key(dataset),
            )
        )
    return Bundle(
        shared=shared,
        outlines=tuple(outlines),
        columns={name: concatenate_manifests(manifests, 0) for name, manifests in flat.items()},
    )


def _digest(variable: xr.Variable, index: xr.Index | None) -> bytes | None:
    """Equal only for variables that are alike in everything; None for one that is not to be shared."""
    data: Any = variable._data
    if isinstance(data, ManifestArray):
        metadata = data.metadata
        values: Any = (
            metadata.shape, metadata.data_type, metadata.chunks, metadata.codecs, metadata.fill_value,
            metadata.attributes, metadata.dimension_names,
        )  # fmt: skip
    elif variable._in_memory and (index is None or type(index) is PandasIndex):
        values = np.asarray(variable)
    else:
        return None
    try:
        text = pickle.dumps((variable.dims, variable.attrs, variable.encoding, values))
    except Exception:  # noqa: BLE001  attributes can be anything
        return None
    return hashlib.blake2b(text, digest_size=16).digest()


class PackedDatasets(Sequence[xr.Dataset]):
    """Opened files, each put together when it is asked for.

    Parameters
    ----------
    n_files : int
        How many there are to be.
    """

    def __init__(self, n_files: int) -> None:
        self._shared: dict[bytes, Held] = {}
        self._texts: dict[str, str] = {}
        self._outlines: list[xr.Dataset | None] = [None] * n_files
        self._keys: list[Any] = [None] * n_files
        self._where: list[tuple[_Columns, int] | None] = [None] * n_files

    @classmethod
    def open(cls, datasets: Sequence[Any]) -> PackedDatasets:
        """Datasets as they are, which the caller holds anyway."""
        packed = cls(len(datasets))
        for i, dataset in enumerate(datasets):
            packed.add_open(dataset, i)
        return packed

    @classmethod
    def of(cls, datasets: Sequence[xr.Dataset]) -> PackedDatasets:
        """All of some datasets."""
        packed = cls(len(datasets))
        packed.add(pack(datasets), range(len(datasets)))
        return packed

    def add(self, bundle: Bundle, positions: Iterable[int]) -> None:
        """Take in a bundle, whose files stand at these positions."""
        for digest, held in bundle.shared.items():
            self._shared.setdefault(digest, held)
        columns = _Columns(bundle.columns)
        for position, outline in zip(positions, bundle.outlines, strict=True):
            dataset = self._assemble(outline)
            self._outlines[position] = dataset
            self._keys[position] = outline.source_key
            self._where[position] = columns, columns.begin(dataset)

    def add_open(self, dataset: xr.Dataset, position: int) -> None:
        """Take in a dataset as it is."""
        self._outlines[position] = dataset
        self._keys[position] = source_key(dataset)

    def choose(self, positions: Sequence[int]) -> PackedDatasets:
        """The files at some positions."""
        rest = PackedDatasets(len(positions))
        rest._shared = self._shared
        for new, old in enumerate(positions):
            rest._outlines[new], rest._keys[new], rest._where[new] = (
                self._outlines[old], self._keys[old], self._where[old],
            )  # fmt: skip
        return rest

    def _assemble(self, outline: Outline) -> xr.Dataset:
        variables: dict[Hashable, xr.Variable] = {}
        indexes: dict[Hashable, xr.Index] = {}
        for name, held in outline.variables.items():
            variable, index = self._shared[held] if isinstance(held, bytes) else held
            variables[name] = variable
            if index is not None:
                indexes[name] = index
        texts = self._texts
        attributes = {
            name: texts.setdefault(value, value) if isinstance(value, str) else value
            for name, value in outline.attributes.items()
        }
        return _dataset(variables, indexes, outline.coordinates, attributes, outline.encoding)

    @property
    def source_keys(self) -> list[Any]:
        """What tells by their references whether two files are the same."""
        return self._keys

    def outlines(self, dims: Sequence[str]) -> list[xr.Dataset]:
        """All files; virtual variables that have all of some dimensions are without their references."""
        return [
            self._with_references(i, lambda variable: not all(dim in variable.dims for dim in dims))
            for i in range(len(self))
        ]

    def _with_references(self, i: int, wanted: Any) -> xr.Dataset:
        outline = self._outlines[i]
        assert outline is not None
        where = self._where[i]
        if where is None:
            return outline
        columns, number = where
        filled = {
            name: variable._replace(data=columns.array(name, number, variable._data))
            for name, variable in outline._variables.items()
            if isinstance(variable._data, ManifestArray) and wanted(variable)
        }
        return outline._replace(variables={**outline._variables, **filled}) if filled else outline

    def __len__(self) -> int:
        return len(self._outlines)

    @overload
    def __getitem__(self, key: int) -> xr.Dataset: ...
    @overload
    def __getitem__(self, key: slice) -> list[xr.Dataset]: ...
    def __getitem__(self, key: int | slice) -> xr.Dataset | list[xr.Dataset]:
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        if not -len(self) <= key < len(self):
            raise IndexError(key)
        return self._with_references(key % len(self), lambda _variable: True)


class _Columns:
    """The columns of one bundle, and where in them each file begins."""

    def __init__(self, columns: Mapping[Hashable, ChunkManifest]) -> None:
        self._columns = columns
        self._begins: list[dict[Hashable, int]] = []
        self._next: dict[Hashable, int] = dict.fromkeys(columns, 0)

    def begin(self, outline: xr.Dataset) -> int:
        """Note where the next file's chunks begin, and give the file's number."""
        begins = {}
        for name, variable in outline._variables.items():
            data: Any = variable._data
            if isinstance(data, ManifestArray):
                begins[name] = self._next[name]
                self._next[name] += data.manifest.n_chunks
        self._begins.append(begins)
        return len(self._begins) - 1

    def array(self, name: Hashable, number: int, hollow: Any) -> ManifestArray:
        """The virtual array of one file's variable."""
        begin = self._begins[number][name]
        grid_shape = hollow.manifest.grid_shape
        part = self._columns[name].take((slice(begin, begin + hollow.manifest.n_chunks),))
        return ManifestArray(metadata=hollow.metadata, manifest=part.reshape(grid_shape))


def outlines_of(datasets: Sequence[xr.Dataset], dims: Sequence[str]) -> Sequence[xr.Dataset]:
    """What is compared of datasets: all of them that the check reads, references along `dims` apart."""
    return datasets.outlines(dims) if isinstance(datasets, PackedDatasets) else datasets


def _dataset(
    variables: dict[Hashable, xr.Variable],
    indexes: dict[Hashable, xr.Index],
    coordinates: frozenset[Hashable],
    attributes: dict[Any, Any],
    encoding: Mapping[Any, Any],
) -> xr.Dataset:
    dims = {dim: n for variable in variables.values() for dim, n in variable.sizes.items()}
    return xr.Dataset()._replace(
        variables=variables,
        coord_names=set(coordinates),
        dims=dims,
        attrs=attributes,
        indexes=indexes,
        encoding=dict(encoding),
    )
