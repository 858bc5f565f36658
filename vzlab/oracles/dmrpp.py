"""DMR++ documents as h5py reads the file that they describe, which lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vzlab.oracles.base import NativeChunks, NativeVariable, NoOracleError, Unstated
from vzlab.oracles.hdf5 import Hdf5File
from vzlab.storage import normalize_url
from vzlab.storage.gate import pass_gate


class DescribedFile(Hdf5File):
    """The HDF5 file whose name is the document's without its ending; what the document adds to attributes is not judged.

    Parameters
    ----------
    location : str
        Of the document.
    """

    def __init__(self, location: Any) -> None:
        if not isinstance(location, str):
            raise NoOracleError("h5py reads the file beside a DMR++ document, if both are on this machine")
        beside = Path(location).with_suffix("")
        pass_gate(normalize_url(beside))
        if not h5py.is_hdf5(beside):
            raise NoOracleError(f"{beside.name} is not there, or no HDF5: nothing says what it should hold")
        super().__init__(str(beside))
        self._document = Path(location)

    def _describe_all(self) -> dict[str, NativeVariable]:
        text = self._document.read_text(encoding="utf-8", errors="replace")
        return {
            path: replace(
                variable, attributes=Unstated(), dims=(None,) * len(variable.dims), dtype=_plain(variable)
            )
            for path, variable in super()._describe_all().items()
            # Members of records have names of their own there, and so have flattened groups.
            if (variable.dtype is None or variable.dtype.names is None)
            and not ("/" in path and f"<Value>/{path}</Value>" in text)
        }

    @property
    def silence(self) -> str:
        """The Hyrax server makes variables of members of a structure."""
        return "a DMR++ document names members of structures one by one, h5py does not"

    @property
    def group_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """None: documents say them in other words."""
        return {}

    def chunk_table(self, path: str) -> NativeChunks | None:
        """Not of the document, whose references are to the other file."""
        return None


def _plain(variable: NativeVariable) -> np.dtype[Any] | None:
    """The type, where a document says it in the same way: it has no truth values."""
    return None if variable.dtype is None or variable.dtype.kind == "b" else variable.dtype
