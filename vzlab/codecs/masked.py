"""Chunks that skipped a filter: decoded by what they went through, stored again by the whole pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vzlab.codecs.hdf5_filters import Hdf5Filter, active_filters, codecs_from_filters
from vzlab.codecs.pipeline import prepare_codecs
from vzlab.errors import CodecError, UnsupportedCodecError

if TYPE_CHECKING:
    from vzlab.codecs.prepared import PreparedCodecs


def decode_chunk_bytes(
    raw: bytes,
    *,
    filters: Sequence[Hdf5Filter],
    filter_mask: int,
    dtype: np.dtype[Any],
    chunk_shape: Sequence[int],
) -> bytes:
    """Decode to unfiltered bytes a chunk that skipped the filters whose bit is set in `filter_mask`.

    Parameters
    ----------
    raw : bytes
        The chunk as stored.
    filters : sequence of Hdf5Filter
        The dataset's pipeline.
    filter_mask : int
        As the chunk index gives it; bit 0 is the first filter.
    dtype : numpy dtype
        As the file stores it.
    chunk_shape : sequence of int

    Raises
    ------
    UnsupportedCodecError
        A filter that the chunk did go through cannot be decoded.
    CodecError
        The bytes are damaged.
    """
    codecs = codecs_from_filters(active_filters(filters, filter_mask), dtype, chunk_shape)
    n_bytes = int(np.prod(chunk_shape, dtype=np.int64)) * dtype.itemsize
    return _through(codecs, n_bytes).decode(raw).tobytes()


def reencode_chunk(
    raw: bytes,
    *,
    filters: Sequence[Hdf5Filter],
    filter_mask: int,
    dtype: np.dtype[Any],
    chunk_shape: Sequence[int],
) -> bytes:
    """Encode a chunk that skipped filters by all of them, so that one codec chain serves every chunk.

    Parameters
    ----------
    raw, filters, filter_mask, dtype, chunk_shape
        As for `decode_chunk_bytes`.

    Returns
    -------
    bytes
        To be held inline; the codec chain of the whole pipeline decodes them to the same values.

    Raises
    ------
    UnsupportedCodecError
        The pipeline cannot be encoded without loss.
    """
    plain = decode_chunk_bytes(
        raw, filters=filters, filter_mask=filter_mask, dtype=dtype, chunk_shape=chunk_shape
    )
    prepared = _through(codecs_from_filters(filters, dtype, chunk_shape), len(plain))
    labels = ", ".join(f.label for f in filters)
    try:
        encoded = prepared.encode(np.frombuffer(plain, dtype=np.uint8))
    except CodecError as error:
        raise UnsupportedCodecError(
            f"A chunk skipped filters (mask {filter_mask:#x}) of the pipeline [{labels}], and cannot be "
            f"stored again with all of them: {error} Load the variable instead."
        ) from error
    if prepared.decode(encoded).tobytes() != plain:
        raise UnsupportedCodecError(
            f"A chunk skipped filters (mask {filter_mask:#x}) of the pipeline [{labels}], which would lose "
            "some of its values. Load the variable instead."
        )
    return encoded


def _through(codecs: Sequence[Mapping[str, Any]], n_bytes: int) -> PreparedCodecs:
    """Prepare the bytes-to-bytes codecs alone, over `n_bytes` single bytes."""
    return prepare_codecs([{"name": "bytes"}, *codecs], "uint8", (n_bytes,))
