"""The codec pipeline through which zarr reads a `ManifestStore`: all chunks of a selection are planned and read together.

zarr-python asks its codec pipeline for the chunks of a selection one by one. This one looks at all of them first: it reads
only the bytes that are needed of uncompressed chunks, merges ranges of remote objects, fetches in parallel, and decodes
straight into the output where it can. It serves arrays of a `ManifestStore` alone; any other gets zarr's own pipeline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import zarr
from zarr.abc.codec import Codec, GetResult
from zarr.abc.store import ByteGetter, Store
from zarr.codecs import ShardingCodec
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import NDBuffer, default_buffer_prototype
from zarr.core.chunk_utils import fill_value_or_default
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.core.metadata import ArrayMetadata
from zarr.core.metadata.v3 import ArrayV3Metadata
from zarr.registry import register_pipeline
from zarr.storage import StorePath

from vzlab.storage.manifest_store import ManifestStore

PATH = f"{__name__}.ManifestPipeline"
"""What zarr's setting ``codec_pipeline.path`` is where this pipeline is in use."""

ZARRS_OWN = f"{BatchedCodecPipeline.__module__}.{BatchedCodecPipeline.__qualname__}"

INLINE_BYTES = 65_536
"""Local reads below this size are done where zarr calls: a thread would take longer to begin."""


def use_read_pipeline() -> None:
    """Let zarr read every `ManifestStore` through this pipeline, unless somebody chose another one.

    Called when the first `ManifestStore` is made. It concerns arrays that are opened afterwards, and those of a
    `ManifestStore` alone. ``zarr.config.set({"vzlab.read_pipeline": False})``, or ``ZARR_VZLAB__READ_PIPELINE=False`` in the
    environment, before that switches it off.
    """
    register_pipeline(ManifestPipeline)  # so that `PATH` can be chosen by hand as well
    if zarr.config.get("vzlab.read_pipeline", True) and zarr.config.get("codec_pipeline.path") == ZARRS_OWN:
        zarr.config.set({"codec_pipeline.path": PATH})


def reads_together() -> bool:
    """Whether arrays of a `ManifestStore` that is opened now are read through this pipeline."""
    is_on = zarr.config.get("vzlab.read_pipeline", True)
    return bool(is_on) and zarr.config.get("codec_pipeline.path") in (PATH, ZARRS_OWN)


@dataclass(frozen=True)
class ManifestPipeline(BatchedCodecPipeline):
    """zarr's own pipeline, but for how arrays of a `ManifestStore` are read."""

    @classmethod
    def from_array_metadata_and_store(cls, array_metadata: ArrayMetadata, store: Store) -> Self:
        """Make a pipeline for an array of a store.

        Raises
        ------
        NotImplementedError
            If it is no `ManifestStore`, or a codec fetches by itself: zarr then calls `from_codecs`.
        """
        if not isinstance(store, ManifestStore) or not isinstance(array_metadata, ArrayV3Metadata):
            raise NotImplementedError
        if any(isinstance(codec, ShardingCodec) for codec in array_metadata.codecs):
            raise NotImplementedError
        spec = ArraySpec(
            shape=(1,) * len(array_metadata.shape),
            dtype=array_metadata.data_type,
            fill_value=array_metadata.fill_value,
            config=ArrayConfig.from_dict({}),
            prototype=default_buffer_prototype(),
        )
        own = BatchedCodecPipeline.from_codecs(array_metadata.codecs).evolve_from_array_spec(spec)
        return cls(**{part.name: getattr(own, part.name) for part in fields(own)})

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec], *, batch_size: int | None = None) -> Self:
        """Give zarr's own pipeline, for arrays of any other store."""
        return BatchedCodecPipeline.from_codecs(codecs, batch_size=batch_size)  # type: ignore[return-value]

    async def read(
        self,
        batch_info: Iterable[tuple[ByteGetter, ArraySpec, Any, Any, bool]],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> tuple[GetResult, ...]:
        """Read what a selection takes of its chunks into the output."""
        batch: list[tuple[Any, ArraySpec, Any, Any, bool]] = list(batch_info)
        target = out.as_ndarray_like()
        if not batch or not isinstance(target, np.ndarray):
            return await super().read(batch, out, drop_axes)
        first: StorePath = batch[0][0]
        store = first.store
        assert isinstance(store, ManifestStore)
        path, coordinates = _chunks_of([getter.path for getter, *_ in batch])
        reader = store.reader(path)
        if target.dtype != reader.dtype:  # a field of records
            return await super().read(batch, out, drop_axes)
        parts = [(_tuple(taken), goes_to, whole) for _, _, taken, goes_to, whole in batch]
        fill = fill_value_or_default(batch[0][1])

        def work() -> npt.NDArray[np.bool_]:
            return reader.read(coordinates, parts, target, fill=fill, drop_axes=drop_axes)

        is_short = reader.is_local and target.nbytes < INLINE_BYTES
        missing = work() if is_short else await asyncio.to_thread(work)
        if not missing.any():
            return (_PRESENT,) * len(batch)
        return tuple(_ABSENT if is_missing else _PRESENT for is_missing in missing.tolist())


_PRESENT, _ABSENT = GetResult(status="present"), GetResult(status="missing")


def _tuple(selection: Any) -> tuple[Any, ...]:
    return selection if isinstance(selection, tuple) else (selection,)


def _chunks_of(keys: Sequence[str]) -> tuple[str, npt.NDArray[np.int64]]:
    """The array's path and the chunks' indices, from keys such as ``model/sst/c/0/3``."""
    if keys[0].endswith("/c"):  # of a scalar
        return keys[0].removesuffix("/c"), np.zeros((len(keys), 0), np.int64)
    path, mark, _ = keys[0].rpartition("/c/")
    begin = len(path) + len(mark)
    numbers = "/".join([key[begin:] for key in keys])
    return path, np.array(numbers.split("/"), np.int64).reshape(len(keys), -1)
