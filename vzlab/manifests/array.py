"""A virtual array: Zarr metadata with a chunk manifest, shaped so that xarray can wrap it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.mixins import NDArrayOperatorsMixin

from vzlab.display import Inspected
from vzlab.errors import VirtualArrayError
from vzlab.manifests.chunk_grid import ChunkGrid
from vzlab.manifests.codec_axes import drop_axis, insert_axis, is_uncompressed, permute_axes
from vzlab.manifests.manifest import INLINE, ChunkManifest
from vzlab.manifests.metadata import ArrayMetadata
from vzlab.manifests.selection import AxisSelection, expand_key, plan_axis, settle_chunks
from vzlab.manifests.tabular import Tabular

MAX_SPLIT_CHUNKS = 10_000_000
"""A selection inside uncompressed chunks that would need more references than this is refused."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ManifestArray(Inspected, Tabular, NDArrayOperatorsMixin):
    """References to the chunks of one array, with the Zarr metadata that says how to read them.

    It can be concatenated, stacked, broadcast, transposed and indexed as far as whole chunks (or byte ranges of
    uncompressed ones) can express the result. It holds no values: whatever needs them raises `VirtualArrayError`.

    Raises
    ------
    ValueError
        If the manifest's grid does not fit the metadata's.

    Examples
    --------
    >>> import vzlab as vz
    >>> sst = vz.open_group("archive/sst_2025-01-01.nc")["sst"]
    >>> sst
    ManifestArray<shape=(1, 90, 180), dtype=int16, chunks=(1, 30, 60), 9 virtual, 0 inline, 0 missing>
    >>> sst[:, :30].shape  # whole chunks: three references are kept
    (1, 30, 180)
    """

    metadata: ArrayMetadata
    manifest: ChunkManifest

    def __post_init__(self) -> None:
        expected = self.metadata.chunk_grid.grid_shape
        if self.manifest.grid_shape != expected:
            raise ValueError(
                f"A manifest over a grid of {self.manifest.grid_shape} chunks was given for an array of shape "
                f"{self.metadata.shape} in chunks of {self.metadata.chunks}; expected a grid of {expected}"
            )

    # -- what an array is -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return self.metadata.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the stored values, in native byte order."""
        return self.metadata.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.metadata.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.metadata.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the values would take if they were read."""
        return self.size * self.dtype.itemsize

    @property
    def chunk_grid(self) -> ChunkGrid:
        """The chunk grid. There is no ``chunks``: xarray takes an array that has it for a dask one."""
        return self.metadata.chunk_grid

    @property
    def codecs(self) -> tuple[Mapping[str, Any], ...]:
        """The codec chain in encoding order."""
        return self.metadata.codecs

    def __repr__(self) -> str:
        return (
            f"ManifestArray<shape={self.shape}, dtype={self.dtype}, chunks={self.metadata.chunks}, "
            f"{self.manifest.n_virtual} virtual, {self.manifest.n_inline} inline, {self.manifest.n_missing} missing>"
        )

    def _repr_inline_(self, max_width: int) -> str:
        """What xarray prints on the variable's line."""
        n_files = len(self.manifest.sources)
        n_virtual = self.manifest.n_virtual
        words = [
            f"virtual, {n_virtual:,} reference{'s' * (n_virtual != 1)} in {n_files:,} file{'s' * (n_files != 1)}"
        ]
        if self.manifest.n_inline:
            words.append(f"{self.manifest.n_inline:,} inline")
        if self.manifest.n_missing:
            words.append(f"{self.manifest.n_missing:,} missing")
        text = ", ".join(words)
        return text if len(text) <= max_width else text[: max(max_width - 1, 0)] + "…"

    def _manifests(self) -> tuple[tuple[str, ChunkManifest], ...]:
        return (("array", self.manifest),)

    def identical(self, other: ManifestArray) -> bool:
        """Whether both have the same metadata and refer to the same bytes."""
        return self.metadata == other.metadata and self.manifest == other.manifest

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, ManifestArray | np.ndarray | np.generic | int | float | str):
            return NotImplemented
        if isinstance(other, ManifestArray) and self.identical(
            replace(other, metadata=self._attributed(other))
        ):
            return np.broadcast_to(np.True_, self.shape)
        self._refuse("comparing values")

    __hash__ = None  # type: ignore[assignment]

    def _attributed(self, other: ManifestArray) -> ArrayMetadata:
        """The other's metadata under this one's attributes and names, which values do not depend on."""
        return replace(
            other.metadata, attributes=self.metadata.attributes, dimension_names=self.metadata.dimension_names
        )

    # -- what it refuses --------------------------------------------------------------------------------------------

    def _refuse(self, operation: str) -> NoReturn:
        raise VirtualArrayError(
            f"This array of shape {self.shape} is virtual: it holds {self.manifest.n_virtual} references to chunks, not values, "
            f"and {operation} needs values. Open the variable with loadable_variables=[...], or write the dataset "
            "(ds.vzlab.to_icechunk or .to_kerchunk) and open that lazily with xarray."
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        """Explain that there are no values to give."""
        self._refuse("turning it into a numpy array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Refuse arithmetic, but let ``==`` find identical references equal."""
        if ufunc is np.equal and method == "__call__" and all(isinstance(x, ManifestArray) for x in inputs):
            return inputs[0] == inputs[1]
        self._refuse(f"numpy.{ufunc.__name__}")

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Serve the numpy functions that references can express."""
        from vzlab.manifests.array_functions import FUNCTIONS

        if function not in FUNCTIONS:
            self._refuse(f"numpy.{function.__name__}")
        return FUNCTIONS[function](*args, **kwargs)

    def astype(self, dtype: Any, *, copy: bool = True, **_: Any) -> ManifestArray:
        """The array itself, if this is its data type already; another would need values.

        Text of no length in particular (``S0``), which xarray asks for, is text of this length.
        """
        asked = np.dtype(dtype)
        if asked != self.dtype and not (asked.kind in "SU" and asked == np.dtype(f"{self.dtype.kind}0")):
            self._refuse(f"converting {self.dtype} to {np.dtype(dtype)}")
        return self

    # -- deriving ---------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """Select whole chunks, or parts of uncompressed ones.

        Takes integers, slices and 1-D integer arrays along each axis (outer indexing), ``None`` and ``...``. The last
        chunk of a regular grid may be selected in part: what lies beyond the array's end is never read.
        """
        from vzlab.manifests.array_functions import PendingFill

        indexers, new_axes = expand_key(key, self.shape)
        array = self
        dropped: list[int] = []
        for axis, indexer in enumerate(indexers):
            if isinstance(indexer, slice) and indexer == slice(None):
                continue
            selection = plan_axis(self.metadata.chunk_grid, axis, indexer)
            chosen = array._select(axis, selection)
            if chosen is None and isinstance(indexer, np.ndarray) and (indexer == -1).any():
                return PendingFill.of(array, axis, indexer)
            if chosen is None:
                array._refuse_selection(axis, selection)
            array = chosen
            if selection.drop:
                dropped.append(axis)
        for axis in reversed(dropped):
            array = array._without_axis(axis)
        for axis in new_axes:
            array = array._with_axis(axis)
        return array

    def _select(self, axis: int, selection: AxisSelection) -> ManifestArray | None:
        """Take pieces of chunks along one axis; None where no references can say it."""
        chunks = selection.layout()
        if selection.whole_chunks and chunks is not None:
            indexers: list[slice | npt.NDArray[np.intp]] = [slice(None)] * self.ndim
            indexers[axis] = selection.chunk_index.astype(np.intp)
            manifest = self.manifest.take(indexers)
        elif is_uncompressed(self.metadata.codecs):
            unit = self._split_before(axis)
            if unit is not self:
                return unit._select(axis, selection)
            manifest = self._cut(axis, selection)
            chunks = settle_chunks(selection.stop - selection.start, selection.stop - selection.start)
        else:
            return None
        shape = (*self.shape[:axis], selection.length, *self.shape[axis + 1 :])
        new_chunks = (*self.metadata.chunks[:axis], chunks or 1, *self.metadata.chunks[axis + 1 :])
        if manifest.grid_shape[axis] == 0:
            new_chunks = (*self.metadata.chunks[:axis], 1, *self.metadata.chunks[axis + 1 :])
        return ManifestArray(
            metadata=self.metadata.with_layout(shape=shape, chunks=new_chunks), manifest=manifest
        )

    def _split_before(self, axis: int) -> ManifestArray:
        """Cut uncompressed chunks to length 1 along every axis before this one, so that its elements lie together."""
        array = self
        for outer in range(axis):
            grid = array.metadata.chunk_grid
            if grid.chunk_shape[outer] == 1:
                continue
            if math.prod(grid.grid_shape) // grid.grid_shape[outer] * self.shape[outer] > MAX_SPLIT_CHUNKS:
                array._refuse(
                    f"a selection inside chunks that would take over {MAX_SPLIT_CHUNKS:,} references"
                )
            one_each = plan_axis(grid, outer, slice(None))
            lengths = one_each.stop - one_each.start
            units = AxisSelection(
                chunk_index=np.repeat(one_each.chunk_index, lengths),
                start=np.concatenate([np.arange(n) for n in lengths.tolist()] or [np.zeros(0, np.int64)]),
                stop=np.concatenate(
                    [np.arange(1, n + 1) for n in lengths.tolist()] or [np.zeros(0, np.int64)]
                ),
                stored=np.repeat(one_each.stored, lengths),
                drop=False,
            )
            manifest = array._cut(outer, units)
            chunks = (*array.metadata.chunks[:outer], 1, *array.metadata.chunks[outer + 1 :])
            array = ManifestArray(
                metadata=array.metadata.with_layout(shape=array.shape, chunks=chunks), manifest=manifest
            )
        return array

    def _cut(self, axis: int, selection: AxisSelection) -> ChunkManifest:
        """Byte ranges of parts of uncompressed chunks, all of whose axes before this one have length 1."""
        grid = self.metadata.chunk_grid
        inner = np.array(self.dtype.itemsize, dtype=np.uint64)
        for other in range(axis + 1, self.ndim):
            along = grid.stored_lengths(other).astype(np.uint64)
            inner = inner * along.reshape((-1,) + (1,) * (self.ndim - other - 1))
        indexers: list[slice | npt.NDArray[np.intp]] = [slice(None)] * self.ndim
        indexers[axis] = selection.chunk_index.astype(np.intp)
        taken = self.manifest.take(indexers)
        column = (-1,) + (1,) * (self.ndim - axis - 1)
        start = selection.start.astype(np.uint64).reshape(column) * inner
        length = (selection.stop - selection.start).astype(np.uint64).reshape(column) * inner
        start, length = (np.broadcast_to(x, taken.grid_shape) for x in (start, length))
        if not taken.n_inline and not taken.n_missing:
            return taken.replace(offsets=taken.offsets + start, lengths=length)
        virtual = taken.source_index < INLINE
        held = taken.source_index == INLINE
        parts = [
            taken.inline[position][first : first + n]
            for position, first, n in zip(
                taken.offsets[held].tolist(), start[held].tolist(), length[held].tolist(), strict=True
            )
        ]
        offsets = np.where(virtual, taken.offsets + start, np.uint64(0))
        offsets[held] = np.arange(len(parts))
        return taken.replace(
            offsets=offsets, lengths=np.where(virtual | held, length, np.uint64(0)), inline=parts
        )

    def _refuse_selection(self, axis: int, selection: AxisSelection) -> NoReturn:
        bounds = self.metadata.chunk_grid.starts(axis)
        worst = int(np.argmax((selection.start > 0) | (selection.stop < selection.stored)))
        chunk = int(selection.chunk_index[worst])
        raise VirtualArrayError(
            f"The selection takes elements {selection.start[worst]} to {selection.stop[worst]} of compressed chunk {chunk} along "
            f"axis {axis}; only whole chunks can be selected without reading. That chunk is {bounds[chunk]}:{bounds[chunk + 1]}. "
            "Select along chunk boundaries, load the variable, or select after opening the written store."
        )

    def _with_axis(self, axis: int) -> ManifestArray:
        codecs = insert_axis(self.metadata.codecs, axis, self.ndim)
        shape = (*self.shape[:axis], 1, *self.shape[axis:])
        chunks = (*self.metadata.chunks[:axis], 1, *self.metadata.chunks[axis:])
        grid_shape = self.manifest.grid_shape
        return ManifestArray(
            metadata=self.metadata.with_layout(shape=shape, chunks=chunks, codecs=codecs),
            manifest=self.manifest.reshape((*grid_shape[:axis], 1, *grid_shape[axis:])),
        )

    def _without_axis(self, axis: int) -> ManifestArray:
        if self.metadata.chunk_grid.chunk_shape[axis] != 1:
            if not is_uncompressed(self.metadata.codecs):
                self._refuse(
                    f"one element along axis {axis}, of a compressed chunk of {self.metadata.chunks[axis]},"
                )
            unit = self._split_before(axis)
            pieces = plan_axis(unit.metadata.chunk_grid, axis, np.zeros(1, np.intp))
            chunks = (*unit.metadata.chunks[:axis], 1, *unit.metadata.chunks[axis + 1 :])
            unit = ManifestArray(
                metadata=unit.metadata.with_layout(shape=unit.shape, chunks=chunks),
                manifest=unit._cut(axis, pieces),
            )
            return unit._without_axis(axis)
        codecs = drop_axis(self.metadata.codecs, axis, self.ndim)
        grid_shape = self.manifest.grid_shape
        return ManifestArray(
            metadata=self.metadata.with_layout(
                shape=self.shape[:axis] + self.shape[axis + 1 :],
                chunks=self.metadata.chunks[:axis] + self.metadata.chunks[axis + 1 :],
                codecs=codecs,
            ),
            manifest=self.manifest.reshape(grid_shape[:axis] + grid_shape[axis + 1 :]),
        )

    def transpose(self, axes: Sequence[int] | None = None) -> ManifestArray:
        """Permute axes; stored bytes stay as they are behind a ``transpose`` codec.

        Raises
        ------
        ValueError
            If the axes are not those of the array, each once.
        VirtualArrayError
            If the codec chain depends on the order of the axes.
        """
        order = list(range(self.ndim))[::-1] if axes is None else list(normalize_axis_tuple(axes, self.ndim))
        if len(order) != self.ndim:
            raise ValueError(
                f"{len(order)} axes were given to transpose an array of {self.ndim}: name each once"
            )
        if order == list(range(self.ndim)):
            return self
        return ManifestArray(
            metadata=self.metadata.with_layout(
                shape=[self.shape[i] for i in order],
                chunks=[self.metadata.chunks[i] for i in order],
                codecs=permute_axes(self.metadata.codecs, order),
            ),
            manifest=self.manifest.transpose(order),
        )

    def rename_urls(self, rename: Mapping[str, str] | Callable[[str], str]) -> ManifestArray:
        """The same chunks at other urls."""
        return replace(self, manifest=self.manifest.rename_urls(rename))
