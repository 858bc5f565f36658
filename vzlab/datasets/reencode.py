"""Encode the odd files' chunks as the others': planned as a value, then done within a memory budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from xarray.indexes import PandasIndex

from vzlab.cf import MEANING_ATTRIBUTES, meaning_of
from vzlab.codecs.pipeline import encode_chunk
from vzlab.datasets.assemble import is_virtual, manifest_array, references_of
from vzlab.datasets.findings import CompatibilityReport
from vzlab.datasets.repacking import Repacking
from vzlab.datasets.signatures import Signature, signature_of
from vzlab.display import Displayed
from vzlab.errors import CodecError, IncompatibleArraysError, MemoryBudgetError
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.manifests.chunk_grid import ChunkGrid
from vzlab.manifests.inline import Chunk, Spill
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage import ManifestStore, StoreRegistry

MEMORY_BYTES = 2**30
"""What re-encoding, or loading, may hold by default."""

type Region = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class Reencoding:
    """One variable of one file that is to be encoded as in the other files."""

    variable: str
    file: int
    """Position of the file."""
    like: int
    """Position of a file that has the variable as most do."""
    reasons: tuple[str, ...]
    """What differs, in words."""
    flipped: tuple[str, ...]
    """Dimensions that are turned round."""
    n_chunks: int
    """Chunks to be written; none where references serve as they are."""
    stored_bytes: int
    """To be read."""
    decoded_bytes: int
    """Once decoded: what is written is compressed, and takes less."""


@dataclass(frozen=True, kw_only=True, repr=False)
class ReencodingPlan(Displayed):
    """What ``on_mismatch="reencode"`` is going to do; nothing has been read for it."""

    _view: ClassVar[str] = "reencoding"

    files: tuple[str, ...]
    """Names of all files."""
    steps: tuple[Reencoding, ...]
    flips: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By position of the file, the dimensions along which it is turned round, loaded variables too."""

    @property
    def n_chunks(self) -> int:
        """Chunks to be written."""
        return sum(step.n_chunks for step in self.steps)

    @property
    def stored_bytes(self) -> int:
        """Bytes to be read."""
        return sum(step.stored_bytes for step in self.steps)

    @property
    def decoded_bytes(self) -> int:
        """Bytes of all values that are to be encoded again."""
        return sum(step.decoded_bytes for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "n_chunks": self.n_chunks,
            "stored_bytes": self.stored_bytes,
            "decoded_bytes": self.decoded_bytes,
            "steps": [
                {
                    "variable": step.variable,
                    "file": self.files[step.file],
                    "like": self.files[step.like],
                    "reasons": list(step.reasons),
                    "flipped": list(step.flipped),
                    "n_chunks": step.n_chunks,
                    "stored_bytes": step.stored_bytes,
                    "decoded_bytes": step.decoded_bytes,
                }
                for step in self.steps
            ],
        }


def plan_reencoding(datasets: Sequence[xr.Dataset], report: CompatibilityReport) -> ReencodingPlan:
    """Which chunks of which files are to be encoded as most files have them."""
    flips = flips_of(report)
    flipped_names = {dim for dims in flips.values() for dim in dims}
    odd = {f.variable for f in report.problems if "reencode" in f.repairs}
    names = [
        name
        for name in report.variables
        if name in odd
        or any(flipped_names & set(d._variables[name].dims) for d in datasets if name in d._variables)
    ]
    steps: list[Reencoding] = []
    for name in names:
        holders = [
            i for i, d in enumerate(datasets) if name in d._variables and is_virtual(d._variables[name])
        ]
        if holders:
            steps += _plan_variable(name, holders, datasets, report.concat_dims, flips)
    return ReencodingPlan(files=report.files, steps=tuple(steps), flips=flips)


def flips_of(report: CompatibilityReport) -> dict[int, tuple[str, ...]]:
    """By file, the dimensions along which it runs the other way."""
    flips: dict[int, tuple[str, ...]] = {}
    for finding in report.findings:
        if finding.kind == "flipped":
            for i in finding.holders[1]:
                flips[i] = (*flips.get(i, ()), finding.variable)
    return flips


def _plan_variable(
    name: str,
    holders: Sequence[int],
    datasets: Sequence[xr.Dataset],
    concat_dims: Collection[str],
    flips: dict[int, tuple[str, ...]],
) -> Iterator[Reencoding]:
    signatures = [signature_of(datasets[i]._variables[name]) for i in holders]
    keys = [_encoding(signature, concat_dims) for signature in signatures]
    usual = max(set(keys), key=lambda key: (keys.count(key), -keys.index(key)))
    like = keys.index(usual)
    for i, key, signature in zip(holders, keys, signatures, strict=True):
        flipped = tuple(dim for dim in flips.get(i, ()) if dim in signature.dims)
        if key == usual and not flipped:
            continue
        reasons = [word for word, ours, theirs in zip(_WORDS, key, usual, strict=True) if ours != theirs]
        reasons += [f"{dim} runs the other way" for dim in flipped]
        array = references_of(datasets[i]._variables[name])
        target = references_of(datasets[holders[like]]._variables[name])
        keeps = _keeps_references(reasons, array)
        grid = _target_grid(signature, signatures[like], target, concat_dims)
        yield Reencoding(
            variable=name,
            file=i,
            like=holders[like],
            reasons=tuple(reasons),
            flipped=flipped,
            n_chunks=0 if keeps else grid.n_chunks,
            stored_bytes=0 if keeps else array.manifest.stored_bytes,
            decoded_bytes=0 if keeps else math.prod(grid.shape) * array.dtype.itemsize,
        )


_WORDS = ("data type", "order of axes", "chunks", "codecs", "fill value", "packing", "units")


def _encoding(signature: Signature, concat_dims: Collection[str]) -> tuple[Any, ...]:
    """What must be alike for chunks to stand in one array; in the order of `_WORDS`."""
    chunks = tuple(
        sorted(
            (dim, length)
            for dim, length in zip(signature.dims, signature.chunks, strict=True)
            if dim not in concat_dims
        )
    )
    units = signature.units
    return (
        signature.dtype, signature.dims, chunks, signature.decoding, signature.fill_value, signature.meaning, units,
    )  # fmt: skip


def _keeps_references(reasons: Collection[str], array: ManifestArray) -> bool:
    """Whether chunks can stay where they are, because only what was never written reads otherwise."""
    return set(reasons) == {"fill value"} and (array.chunk_grid.is_regular or not array.manifest.n_missing)


def _target_grid(
    signature: Signature, like: Signature, target: ManifestArray, concat_dims: Collection[str]
) -> ChunkGrid:
    sizes = dict(zip(signature.dims, signature.shape, strict=True))
    shape = tuple(sizes[dim] for dim in like.dims)
    chunks = []
    for dim, along in zip(like.dims, target.metadata.chunks, strict=True):
        longest = along if isinstance(along, int) else max(along)
        chunks.append(longest if dim in concat_dims or isinstance(along, int) else along)
    return ChunkGrid(shape=shape, chunks=tuple(chunks))


def reencode(
    datasets: Sequence[xr.Dataset],
    plan: ReencodingPlan,
    *,
    concat_dims: Collection[str],
    registry: StoreRegistry,
    memory_bytes: int = MEMORY_BYTES,
    may_round: bool = False,
) -> list[xr.Dataset]:
    """Carry out a plan, one block of chunks at a time.

    Half of `memory_bytes` is for the block at work, half for chunks that are done: more of these go to a temporary file,
    from which each is read when it is written or asked for.

    Raises
    ------
    IncompatibleArraysError
        If numbers would be lost, and may not be rounded.
    MemoryBudgetError
        If one chunk takes more than half of `memory_bytes`.
    """
    changed: dict[int, dict[Hashable, xr.Variable]] = {}
    spill = Spill(memory_bytes // 2)
    for step in plan.steps:
        source = datasets[step.file]._variables[step.variable]
        target = datasets[step.like]._variables[step.variable]
        what = f"{step.variable!r} of {plan.files[step.file]}"
        if _keeps_references(step.reasons, references_of(source)):
            new = _with_fill_of(source, target)
        else:
            new = _reencode_one(
                source, target, step, what, concat_dims, registry, memory_bytes // 2, may_round, spill
            )
        changed.setdefault(step.file, {})[step.variable] = new
    return [
        replace_variables(dataset, changed.get(i, {}), plan.flips.get(i, ()))
        for i, dataset in enumerate(datasets)
    ]


def replace_variables(
    dataset: xr.Dataset, variables: Mapping[Hashable, xr.Variable], flipped: Sequence[str] = ()
) -> xr.Dataset:
    """A dataset with some variables in place of others; loaded ones are turned round along flipped dimensions."""
    turned = {
        name: variable.isel({dim: slice(None, None, -1) for dim in flipped if dim in variable.dims})
        for name, variable in dataset._variables.items()
        if name not in variables and not is_virtual(variable) and set(flipped) & set(variable.dims)
    }
    indexes = dict(dataset._indexes)
    for dim in flipped:
        if dim in indexes:
            index = PandasIndex.from_variables({dim: turned[dim]}, options={})
            turned |= index.create_variables({dim: turned[dim]})
            indexes[dim] = index
    return dataset._replace(variables={**dataset._variables, **variables, **turned}, indexes=indexes)


def _with_fill_of(source: xr.Variable, target: xr.Variable) -> xr.Variable:
    """References as they are; what was never written becomes chunks of the value that it reads as."""
    array = references_of(source)
    like = references_of(target)
    manifest, metadata = array.manifest, array.metadata
    if manifest.n_missing:
        constant = np.full(metadata.chunk_grid.chunk_shape, metadata.fill_scalar, dtype=array.dtype)
        chunk = _encode(constant, metadata)
        missing = manifest.source_index == MISSING
        manifest = ChunkManifest(
            sources=manifest.sources,
            source_index=np.where(missing, np.uint32(INLINE), manifest.source_index),
            offsets=np.where(missing, np.uint64(len(manifest.inline)), manifest.offsets),
            lengths=np.where(missing, np.uint64(len(chunk)), manifest.lengths),
            inline=(*manifest.inline, chunk),
        )
    data = ManifestArray(metadata=replace(metadata, fill_value=like.metadata.fill_value), manifest=manifest)
    return source._replace(data=data)


def _reencode_one(
    source: xr.Variable,
    target: xr.Variable,
    step: Reencoding,
    what: str,
    concat_dims: Collection[str],
    registry: StoreRegistry,
    memory_bytes: int,
    may_round: bool,
    spill: Spill,
) -> xr.Variable:
    """All of one variable of one file, block by block."""
    like = manifest_array(target).metadata
    repacking = Repacking(
        name=what,
        source=source.attrs,
        target=target.attrs,
        dtype=like.dtype,
        may_round=may_round,
    )
    stored = manifest_array(source.transpose(*target.dims))
    grid = _target_grid(signature_of(source), signature_of(target), references_of(target), concat_dims)
    metadata = replace(
        like.with_layout(shape=grid.shape, chunks=grid.chunks), attributes={}, dimension_names=None
    )
    flipped = [axis for axis, dim in enumerate(target.dims) if dim in step.flipped]
    # Stored numbers, their decoded form, how far it moves, how far it may, and what is encoded stand side by side.
    element = 5 * max(stored.dtype.itemsize, like.dtype.itemsize, 8)
    chunks: dict[tuple[int, ...], Chunk] = {}
    with zarr.config.set({"array.rectilinear_chunks": True}):
        opened = zarr.open_array(
            ManifestStore(ManifestGroup(arrays={"v": stored}), registry), path="v", mode="r"
        )
        for block in _blocks(grid, element, memory_bytes, what):
            values = repacking.apply(_read(opened, block, grid.shape, flipped))
            origin = tuple(part.start for part in block)
            for index in _chunks_of(grid, block):
                region = grid.region(index)
                inside = tuple(
                    slice(part.start - first, part.stop - first)
                    for part, first in zip(region, origin, strict=True)
                )
                padded = _padded(values[inside], grid.stored_shape(index), metadata)
                chunks[index] = spill.put(_encode(padded, metadata, what))
    manifest = ChunkManifest.from_inline([chunks[i] for i in np.ndindex(grid.grid_shape)], grid.grid_shape)
    array = ManifestArray(metadata=replace(metadata, attributes=meaning_of(target.attrs)), manifest=manifest)
    attributes = {k: v for k, v in source.attrs.items() if k not in MEANING_ATTRIBUTES} | meaning_of(
        target.attrs
    )
    return xr.Variable(target.dims, array, attributes, dict(source.encoding))


def _blocks(grid: ChunkGrid, element_bytes: int, memory_bytes: int, what: str) -> Iterator[Region]:
    """Boxes of whole chunks that fit the budget: as many rows of chunks as do, else chunk by chunk."""
    if not grid.shape:
        yield ()
        return
    bounds = [grid.starts(axis).tolist() for axis in range(len(grid.shape))]
    row_bytes = math.prod(grid.shape[1:]) * element_bytes
    rows = bounds[0]
    first = 0
    if grid.chunk_shape[0] * row_bytes <= memory_bytes:
        while first < len(rows) - 1:
            last = first + 1
            while last < len(rows) - 1 and (rows[last + 1] - rows[first]) * row_bytes <= memory_bytes:
                last += 1
            yield (slice(rows[first], rows[last]), *(slice(0, n) for n in grid.shape[1:]))
            first = last
        return
    if (chunk_bytes := math.prod(grid.chunk_shape) * element_bytes) > memory_bytes:
        raise MemoryBudgetError(
            f"Encoding one chunk of {what} takes {chunk_bytes:,} bytes, and {memory_bytes:,} are given to it. Give more with "
            "memory_bytes=."
        )
    for index in np.ndindex(grid.grid_shape):
        yield grid.region(index)


def _chunks_of(grid: ChunkGrid, block: Region) -> Iterator[tuple[int, ...]]:
    """Grid indices of the chunks of a box."""
    ranges = [
        range(grid.locate(axis, part.start), grid.locate(axis, part.stop - 1) + 1)
        if part.stop > part.start
        else range(0)
        for axis, part in enumerate(block)
    ]
    return itertools.product(*ranges)


def _read(opened: Any, block: Region, shape: Sequence[int], flipped: Sequence[int]) -> npt.NDArray[Any]:
    """Stored values of a box, counted from the other end along flipped axes."""
    region = list(block)
    for axis in flipped:
        region[axis] = slice(shape[axis] - block[axis].stop, shape[axis] - block[axis].start)
    values: npt.NDArray[Any] = np.asarray(opened[tuple(region)])
    return np.flip(values, tuple(flipped))


def _padded(values: npt.NDArray[Any], shape: tuple[int, ...], metadata: ArrayMetadata) -> npt.NDArray[Any]:
    """A chunk at its stored length: an edge chunk is filled up."""
    if values.shape == shape:
        return values
    padded = np.full(shape, metadata.fill_scalar, dtype=values.dtype)
    padded[tuple(slice(n) for n in values.shape)] = values
    return padded


def _encode(values: npt.NDArray[Any], metadata: ArrayMetadata, what: str = "") -> bytes:
    try:
        return encode_chunk(
            values,
            codecs=metadata.codecs,
            data_type=metadata.data_type,
            fill_value=metadata.fill_value,
            chunk_shape=values.shape,
        )
    except (CodecError, NotImplementedError) as error:
        raise IncompatibleArraysError(
            f"{what or 'A variable'} cannot be encoded as in the other files: {error} Load the variable "
            '(on_mismatch="load"), or leave the file out.'
        ) from error
