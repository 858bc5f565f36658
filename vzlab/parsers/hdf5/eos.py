"""The structures that an HDF-EOS5 file declares in its group ``HDFEOS INFORMATION``."""

from __future__ import annotations

from typing import Any

from vzlab.parsers.hdf5.attributes import decode_text
from vzlab.parsers.hdf5.library import h5py
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS
from vzlab.parsers.hdfeos import Structure, parse_structures

_GROUP = b"HDFEOS INFORMATION"
MAX_PARTS = 1000
MAX_TEXT_BYTES = 16 * 2**20
"""Parts have 32,000 bytes each; a longer one is none."""


def read_structures(file_id: Any) -> list[Structure]:
    """Structures of the datasets ``StructMetadata.0``, ``.1``, ...; none where the file has no such dataset."""
    parts = []
    try:
        if not file_id.links.exists(_GROUP):
            return []
        group = h5py.h5g.open(file_id, _GROUP)
        for number in range(MAX_PARTS):
            name = f"StructMetadata.{number}".encode()
            if not group.links.exists(name):
                break
            dataset = h5py.Dataset(h5py.h5d.open(group, name))
            if dataset.nbytes > MAX_TEXT_BYTES:
                break
            text = dataset[()]
            if not isinstance(text, bytes | str):
                break
            parts.append(decode_text(text))
    except LIBRARY_ERRORS:
        # Names are a help: a file without them reads as well.
        return []
    return parse_structures("".join(parts))
