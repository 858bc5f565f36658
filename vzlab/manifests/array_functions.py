"""The numpy functions that a virtual array answers (NEP 18)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from numpy.lib.array_utils import normalize_axis_tuple

from vzlab.errors import VirtualArrayError
from vzlab.manifests.array import ManifestArray
from vzlab.manifests.joining import broadcast_to, concatenate, expand_dims, fill_chunks, stack
from vzlab.manifests.manifest import ChunkManifest
from vzlab.manifests.selection import plan_axis


@dataclass(frozen=True, kw_only=True, eq=False)
class PendingFill:
    """A selection along one axis in which -1 marks elements that are still to be filled.

    xarray reindexes by selecting with -1 where a label is missing and then calling ``numpy.where`` on the result. Only
    that call turns this into an array; anything else says that index -1 is not a whole chunk.
    """

    array: ManifestArray
    axis: int
    holes: npt.NDArray[np.intp]
    """Chunks of the array that stand for elements to be filled."""

    @classmethod
    def of(cls, array: ManifestArray, axis: int, indexer: npt.NDArray[np.intp]) -> PendingFill:
        """Plan a selection of whole chunks and holes; holes get chunks of their own, cut like the array's."""
        absent = indexer < 0
        edges = np.flatnonzero(np.diff(absent.astype(np.int8))) + 1
        whole: list[ManifestArray] = []
        holes: list[int] = []
        n_chunks = 0
        for run in np.split(indexer, edges):
            if run[0] >= 0:
                selection = plan_axis(array.metadata.chunk_grid, axis, run)
                part = array._select(axis, selection)
                if part is None:
                    array._refuse_selection(axis, selection)
            else:
                part = _hole(array, axis, len(run))
                holes += range(n_chunks, n_chunks + part.manifest.grid_shape[axis])
            n_chunks += part.manifest.grid_shape[axis]
            whole.append(part)
        return cls(array=concatenate(whole, axis), axis=axis, holes=np.array(holes, dtype=np.intp))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the selection."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the stored values."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.array.ndim

    def astype(self, dtype: Any, *, copy: bool = True, **_: Any) -> PendingFill:
        """The selection itself, if this is its data type already."""
        self.array.astype(dtype)
        return self

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Answer ``numpy.where`` and ``numpy.result_type``."""
        if function is np.result_type:
            return np.result_type(*[x.dtype if isinstance(x, PendingFill) else x for x in args])
        if function is not np.where:
            self._refuse()
        _, chosen, value = args
        if chosen is not self:
            self._refuse()
        return fill_chunks(self.array, self.axis, self.holes, value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> NoReturn:
        """Explain that there are no values to compute with."""
        self._refuse()

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        """Explain that there are no values to give."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise VirtualArrayError(
            f"A virtual array was indexed with -1 along axis {self.axis}, and its last element is not a whole chunk. "
            "Select along chunk boundaries, or load the variable."
        )


def _hole(array: ManifestArray, axis: int, length: int) -> ManifestArray:
    """Missing chunks of the array's kind, `length` long along an axis."""
    along = array.metadata.chunks[axis]
    chunk = along if isinstance(along, int) and length % along == 0 else length
    shape = (*array.shape[:axis], length, *array.shape[axis + 1 :])
    chunks = (*array.metadata.chunks[:axis], chunk, *array.metadata.chunks[axis + 1 :])
    metadata = array.metadata.with_layout(shape=shape, chunks=chunks)
    return ManifestArray(metadata=metadata, manifest=ChunkManifest.empty(metadata.chunk_grid.grid_shape))


def _where(condition: Any, chosen: Any, other: Any) -> ManifestArray:
    """Fill whole chunks along one axis where a condition is false."""
    if not isinstance(chosen, ManifestArray) or isinstance(other, ManifestArray) or np.ndim(other):
        raise VirtualArrayError(
            "numpy.where takes a virtual array only as the values to keep, beside one fill value"
        )
    mask = np.broadcast_to(np.asarray(condition, dtype=bool), chosen.shape)
    if mask.all():
        return chosen
    for axis in range(chosen.ndim):
        others = tuple(i for i in range(chosen.ndim) if i != axis)
        along = mask.all(axis=others)
        if not np.array_equal(along, mask.any(axis=others)):
            continue
        bounds = chosen.metadata.chunk_grid.starts(axis)
        kept = np.add.reduceat(along.astype(np.int64), bounds[:-1]) if len(bounds) > 1 else np.zeros(0)
        lengths = np.diff(bounds)
        if ((kept != 0) & (kept != lengths)).any():
            break
        return fill_chunks(chosen, axis, np.flatnonzero(kept == 0), other)
    raise VirtualArrayError(
        "Only whole chunks along one axis of a virtual array can be filled. Load the variable first."
    )


def _full_like(array: Any, fill_value: Any, dtype: Any = None, **_: Any) -> npt.NDArray[Any]:
    return np.broadcast_to(np.asarray(fill_value, dtype=dtype or array.dtype), array.shape)


def _transpose(array: ManifestArray, axes: Any = None) -> ManifestArray:
    return array.transpose(axes)


def _moveaxis(array: ManifestArray, source: Any, destination: Any) -> ManifestArray:
    return array.transpose(_moved(array.ndim, source, destination))


def _moved(ndim: int, source: Any, destination: Any) -> list[int]:
    origin = normalize_axis_tuple(source, ndim)
    target = normalize_axis_tuple(destination, ndim)
    if len(origin) != len(target):
        raise ValueError(f"{len(origin)} axes cannot be moved to {len(target)} places")
    order = [axis for axis in range(ndim) if axis not in origin]
    for to, axis in sorted(zip(target, origin, strict=True)):
        order.insert(to, axis)
    return order


def _squeeze(array: ManifestArray, axis: Any = None) -> ManifestArray:
    short = tuple(i for i, n in enumerate(array.shape) if n == 1)
    axes = short if axis is None else normalize_axis_tuple(axis, array.ndim)
    if long := sorted(set(axes) - set(short)):
        raise ValueError(
            f"Axes {long} of an array of shape {array.shape} cannot be squeezed: only axes of length 1 can"
        )
    return array[tuple(0 if i in axes else slice(None) for i in range(array.ndim))]  # type: ignore[no-any-return]


def _result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    return np.result_type(*[x.dtype if isinstance(x, ManifestArray) else x for x in arrays_and_dtypes])


def _concatenate(arrays: Any, axis: int | None = 0, **options: Any) -> ManifestArray:
    _refuse_options(axis=0 if axis is None else None, **options)
    return concatenate(list(arrays), axis or 0)


def _stack(arrays: Any, axis: int = 0, **options: Any) -> ManifestArray:
    _refuse_options(**options)
    return stack(list(arrays), axis)


def _refuse_options(**options: Any) -> None:
    """Refuse what would need values: another data type, an array to write to, a flattened result."""
    if given := sorted(name for name, value in options.items() if value is not None and name != "casting"):
        raise VirtualArrayError(
            f"Virtual arrays cannot be joined with {', '.join(given)} given so: expected only an axis. Load them first."
        )


def _broadcast_to(array: ManifestArray, shape: Any, **_: Any) -> ManifestArray:
    return broadcast_to(array, np.atleast_1d(shape).tolist())


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.broadcast_to: _broadcast_to,
    np.concatenate: _concatenate,
    np.expand_dims: expand_dims,
    np.full_like: _full_like,
    np.moveaxis: _moveaxis,
    np.ndim: lambda array: array.ndim,
    np.result_type: _result_type,
    np.shape: lambda array: array.shape,
    np.size: lambda array: array.size,
    np.squeeze: _squeeze,
    np.stack: _stack,
    np.transpose: _transpose,
    np.where: _where,
}
