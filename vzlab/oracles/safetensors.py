"""safetensors files as their own library reads them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import safetensors

from vzlab.oracles.base import NativeVariable, NoOracleError, Readable, ReadFile, Region

_DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "u2",
    "I16": "i2",
    "F16": "f2",
    "U32": "u4",
    "I32": "i4",
    "F32": "f4",
    "U64": "u8",
    "I64": "i8",
    "F64": "f8",
    "C64": "c8",
}
"""numpy's types by the library's names of them."""


def open_file(location: Any) -> ReadFile:
    """A file on this machine; tensors of types that numpy lacks are passed over."""
    if not isinstance(location, str):
        raise NoOracleError("safetensors reads local files only: copy the file here")
    stack = contextlib.ExitStack()
    try:
        handle: Any = stack.enter_context(safetensors.safe_open(location, framework="numpy"))
    except safetensors.SafetensorError as error:
        raise OSError(f"safetensors cannot open it: {error}") from error
    return ReadFile(
        f"safetensors {safetensors.__version__}",
        list(_readables(handle)),
        group_attributes={"": handle.metadata() or {}},
        silence="numpy, which the library gives tensors to, has no such type",
        close=stack.close,
    )


def _readables(handle: Any) -> Iterator[Readable]:
    for name in handle.keys():  # noqa: SIM118 - the library's handle is no mapping
        part = handle.get_slice(name)
        if part.get_dtype() not in _DTYPES:
            continue
        shape = tuple(part.get_shape())
        yield Readable(
            described=NativeVariable(
                path=name.replace("/", "_"),
                dims=(None,) * len(shape),
                shape=shape,
                dtype=np.dtype(_DTYPES[part.get_dtype()]),
                codecs="none",
                identity=name,
            ),
            read=partial(_read, handle, name),
        )


def _read(handle: Any, name: str, region: Region) -> Any:
    # The library's own slices refuse empty ones.
    return np.asarray(handle.get_tensor(name))[region]
