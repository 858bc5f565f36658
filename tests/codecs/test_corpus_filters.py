"""Every filtered dataset in other people's HDF5 files decodes to what h5py reads, or is refused by name."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import h5py
import numpy as np
import pytest

from tests.codecs.hdf5_chunks import assert_same_bits, read_raw
from tests.codecs.test_floats import layout_of
from tests.corpus import CorpusEntry, corpus_params
from vzlab.codecs import BitField, active_filters, codec_chain, decode_chunk, reencode_chunk
from vzlab.errors import UnsupportedCodecError

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
]

CHUNKS_OF_EACH = 12
NOT_DECODED = {300, 305, 312, 32002, 32017, 32024}
"""Filters without a codec: made up by tests of HDF5, MAFISC, SZ, SZ3 (of another version than is kept today)."""
FAILS_IN_H5PY_TOO = ("can't open directory", "filter returned failure", "required filter")


def datasets(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []

    def keep(name: str) -> None:
        node = file.get(name)
        if isinstance(node, h5py.Dataset) and node.chunks:
            found.append(node)

    # In a damaged file, what was found before the damage is still worth reading.
    with suppress(KeyError, RuntimeError):
        file.visit(keep)
    return found


def has_values(dataset: h5py.Dataset) -> bool:
    try:
        dtype, chunks = dataset.dtype, dataset.id.get_num_chunks()
    except (KeyError, RuntimeError, TypeError, ValueError, OSError):
        return False
    return not dtype.hasobject and chunks > 0 and dataset.id.get_create_plist().get_nfilters() > 0


def stored_layout(dataset: h5py.Dataset) -> dict[str, Any]:
    """Where the value of a plain number lies in its bytes."""
    stored = dataset.id.get_type()
    if isinstance(stored, h5py.h5t.TypeFloatID) and dataset.dtype.kind == "f":
        exact = stored.equal(h5py.h5t.py_create(dataset.dtype))
        return {} if exact else {"float_layout": layout_of(dataset)}
    if isinstance(stored, h5py.h5t.TypeIntegerID):
        signed = stored.get_sign() == h5py.h5t.SGN_2
        bits = BitField(precision=stored.get_precision(), offset=stored.get_offset(), signed=signed)
        return {"bit_field": bits}
    return {}


@pytest.mark.parametrize("entry", corpus_params(("hdf5", "netcdf4", "nwb")))
def test_filtered_chunks(entry: CorpusEntry) -> None:
    if entry.expect != "native_ok":
        pytest.skip("h5py does not open it")
    with h5py.File(entry.location) as file:
        for dataset in filter(has_values, datasets(file)):
            check(dataset)


def check(dataset: h5py.Dataset) -> None:
    try:
        raw = read_raw(dataset, CHUNKS_OF_EACH)
    except OSError as error:
        if not any(words in str(error) for words in FAILS_IN_H5PY_TOO):
            raise
        return
    for chunk in raw.chunks:
        filters = raw.filters
        data = chunk.data
        try:
            if chunk.filter_mask and all(c.filter_mask == chunk.filter_mask for c in raw.chunks):
                filters = active_filters(filters, chunk.filter_mask)
            elif chunk.filter_mask:
                data = reencode_chunk(
                    data,
                    filters=filters,
                    filter_mask=chunk.filter_mask,
                    dtype=raw.dtype,
                    chunk_shape=raw.chunk_shape,
                )
            chain = codec_chain(filters, raw.dtype, raw.chunk_shape, **stored_layout(dataset))
        except UnsupportedCodecError as error:
            named = re.search(r"\((\d+)\)", str(error))
            if named is None or int(named[1]) not in NOT_DECODED:
                raise
            return
        found = decode_chunk(data, codecs=chain, data_type=raw.dtype, chunk_shape=raw.chunk_shape)
        cut = found[tuple(slice(n) for n in chunk.values.shape)]
        assert_same_bits(cut, np.asarray(chunk.values))
