"""The native side of a comparison: its files, opened a few at a time by independent readers."""

from __future__ import annotations

import contextlib
import math
import posixpath
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, TIME_ATTRIBUTES
from vzlab.oracles import NativeFile, NativeVariable, NoOracleError, Region, open_native
from vzlab.oracles.decoding import decode_variable, read_region
from vzlab.storage import StoreRegistry, url_name
from vzlab.telling import told_of
from vzlab.testing.axes import Order, OrderedFile, axes_order, in_order
from vzlab.testing.memory import ReusedMemory
from vzlab.testing.regions import shape_of

MAX_OPEN_FILES = 24
"""Files kept open, least recently used ones closed first."""

WORTH_KEEPING = 2**20
"""Bytes: memory of no less is used again for the next values that are read to be held against others."""

MAX_KEPT_ELEMENTS = 4_096
"""A coordinate of no more elements is read once and kept: it says where its file belongs, and is compared."""


def show_files(urls: Sequence[str]) -> str:
    """The first of several files by its name, and how many more there are."""
    return url_name(urls[0]) + (f" and {len(urls) - 1:,} more files" if len(urls) > 1 else "")


class NativeFiles:
    """Native files by url. What each says of its variables is kept; the files themselves are opened when needed.

    Parameters
    ----------
    urls : iterable of str
    open_file : callable
        Opens one of them with an independent reader.

    Raises
    ------
    NoOracleError
        If no file has an independent reader.
    OSError
        If none of them can be opened.
    """

    def __init__(self, urls: Iterable[str], open_file: Callable[[str], NativeFile]) -> None:
        self._coordinates: dict[str, dict[str, npt.NDArray[Any]]] = {}
        self.unopened: dict[str, str] = {}
        """Files that their reader does not open, and why."""
        self._open_file = open_file
        self._open: OrderedDict[str, NativeFile] = OrderedDict()
        self._orders: dict[str, dict[str, Order]] = {}
        self._memory = ReusedMemory()
        self.variables: dict[str, Mapping[str, NativeVariable]] = {}
        self.group_attributes: dict[str, Mapping[str, Mapping[str, Any]]] = {}
        self.readers: tuple[str, ...] = ()
        self.silence = ""
        self.has_stored_values = True
        failure: Exception | None = None
        for url in told_of("Open the native files", dict.fromkeys(urls)):
            try:
                file = self[url]
            except (NoOracleError, OSError) as error:
                failure = failure or error
                self.unopened[url] = str(error)
                continue
            self.variables[url] = dict(file.variables)
            self.group_attributes[url] = dict(file.group_attributes)
            self.readers = tuple(dict.fromkeys([*self.readers, file.reader]))
            self.silence = self.silence or file.silence
        if failure is not None and not self.variables:
            raise failure
        self.urls = tuple(self.variables)

    @classmethod
    def at(cls, urls: Iterable[str], registry: StoreRegistry) -> Self:
        """Files at urls."""
        return cls(urls, lambda url: open_native(url, registry))

    @classmethod
    def of_dataset(cls, dataset: xr.Dataset | xr.DataTree) -> Self:
        """One stand-in file, for a dataset that the caller opened."""
        nodes = {"": dataset} if isinstance(dataset, xr.Dataset) else _nodes(dataset)
        files = cls(["native dataset"], lambda _: DatasetFile(nodes))
        files.has_stored_values = False
        return files

    def __getitem__(self, url: str) -> NativeFile:
        """The open file at a url."""
        if url in self._open:
            self._open.move_to_end(url)
            return self._open[url]
        file = self._open_file(url)
        file = self._open[url] = OrderedFile(file, self._orders[url]) if url in self._orders else file
        while len(self._open) > MAX_OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        return file

    def show_axes_as(self, path: str, dims: tuple[str, ...]) -> list[str]:
        """Show a variable with its axes in the order of some dimensions, and give the files where that is another order."""
        files = []
        for url in self.holders(path):
            described = self.variables[url][path]
            order = axes_order(described, dims)
            if order is not None:
                files.append(url)
                self._orders.setdefault(url, {})[path] = order
                self.variables[url] = {**self.variables[url], path: in_order(described, order)}
                if url in self._open and len(self._orders[url]) == 1:
                    self._open[url] = OrderedFile(self._open[url], self._orders[url])
        return files

    def has_other_axes(self, url: str, path: str) -> bool:
        """Whether the file has the axes of a variable in another order than they are shown in."""
        return path in self._orders.get(url, {})

    def read(self, url: str, path: str, region: Region, *, decoded: bool) -> npt.NDArray[Any]:
        """Stored or decoded values of a region of a variable of a file."""
        if decoded and self._is_small_coordinate(url, path):
            kept = self._coordinates.setdefault(url, {})
            if not kept:  # the file is open now, and may be closed when its next coordinate is asked for
                for name in filter(partial(self._is_small_coordinate, url), self.variables[url]):
                    with contextlib.suppress(Exception):  # raised again if it is asked for
                        whole = (slice(0, self.variables[url][name].shape[0]),)
                        kept[name] = self[url].read_decoded(name, whole)
            if path in kept:
                return kept[path][region]
        file = self[url]
        return file.read_decoded(path, region) if decoded else file.read(path, region)

    def read_passing(self, url: str, path: str, region: Region) -> npt.NDArray[Any]:
        """Stored values of a region, in memory that the next call may use again."""
        dtype = self.variables[url][path].dtype
        shape = shape_of(region)
        if dtype is None or math.prod(shape) * dtype.itemsize < WORTH_KEEPING:
            return self[url].read(path, region)
        out = self._memory.array(shape, dtype)
        return out if self[url].read_into(path, region, out) else self[url].read(path, region)

    def _is_small_coordinate(self, url: str, path: str) -> bool:
        """Whether a variable is the coordinate of a dimension, short enough to be kept."""
        variable = self.variables[url][path]
        return variable.dims == (posixpath.basename(path),) and variable.shape[0] <= MAX_KEPT_ELEMENTS

    def holders(self, path: str) -> list[str]:
        """Files that have a variable."""
        return [url for url in self.urls if path in self.variables[url]]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


def _nodes(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    base = tree.path.rstrip("/")
    return {node.path.removeprefix(base).strip("/"): node.to_dataset(inherit=False) for node in tree.subtree}


def _attributes(variable: xr.Variable) -> dict[str, Any]:
    """Attributes with those that decoding moved to the encoding."""
    moved = (*ENCODING_ATTRIBUTES, *TIME_ATTRIBUTES)
    return {
        **{name: variable.encoding[name] for name in moved if name in variable.encoding},
        **variable.attrs,
    }


class DatasetFile(NativeFile):
    """A dataset that the caller opened, in the place of a native file: decoded values only."""

    def __init__(self, nodes: Mapping[str, xr.Dataset]) -> None:
        self._variables: dict[str, xr.Variable] = {}
        self._described: dict[str, NativeVariable] = {}
        self._groups = {path: dict(dataset.attrs) for path, dataset in nodes.items()}
        for folder, dataset in nodes.items():
            for name, variable in dataset.variables.items():
                path = posixpath.join(folder, str(name))
                self._variables[path] = decode_variable(str(name), variable)
                self._described[path] = NativeVariable(
                    path=path,
                    dims=tuple(map(str, variable.dims)),
                    shape=tuple(variable.shape),
                    dtype=None,
                    attributes=_attributes(variable),
                    codecs="not known",
                    identity=path,
                )

    @property
    def reader(self) -> str:
        """xarray, by whatever the caller opened it with."""
        return f"xarray {xr.__version__} (opened by the caller)"

    @property
    def variables(self) -> Mapping[str, NativeVariable]:
        """Every variable by path."""
        return self._described

    @property
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of every group by path."""
        return self._groups

    def read(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Refuse: what is stored is not known."""
        raise NoOracleError(
            "the native side is an opened dataset, which has decoded values only: give the files"
        )

    def read_decoded(self, path: str, region: Region) -> npt.NDArray[Any]:
        """Values of a region."""
        return np.asarray(read_region(self._variables[path], region))

    def shown(self, path: str, *, decoded: bool) -> str:
        """The dataset that the caller opened, by the name of the argument."""
        return f"native[{path!r}]"

    def close(self) -> None:
        """Leave it to the caller."""
