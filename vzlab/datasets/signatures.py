"""What of a variable must agree between files: one small value for each facet, made once for all files that share it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, MEANING_ATTRIBUTES, TIME_ATTRIBUTES
from vzlab.codecs.compare import decoding_form
from vzlab.manifests import ManifestArray
from vzlab.manifests.codec_axes import inner_chunk_shape


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One variable of one file, reduced to what is compared. Texts are canonical: equal text, equal meaning."""

    virtual: bool
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[Any, ...]
    """Stored chunk lengths of each dimension; empty if the variable is in memory."""
    partial: tuple[bool, ...]
    """Along which dimensions the last chunk reaches past the end of the array."""
    shorn: tuple[bool, ...]
    """Along which dimensions the last shard ends inside of one of its chunks, so that nothing can follow it."""
    decoding: str
    """The codec chain without what matters only for encoding."""
    codecs: str
    fill_value: str
    """What unwritten chunks read as."""
    meaning: str
    """Packing and missing values."""
    units: str
    """Units and calendar."""
    is_time: bool
    """Whether the units count from a date."""
    attributes: tuple[tuple[str, str], ...]
    """All others."""


class Signatures:
    """The distinct signatures of any number of files, each held once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.values: list[Signature] = []

    def number_of(self, variable: xr.Variable) -> int:
        """Position in `values` of a variable's signature; nothing is read."""
        key = _key(variable)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.values)
            self.values.append(signature_of(variable))
        return number


def _key(variable: xr.Variable) -> str:
    """A text that is equal only for variables whose signatures are."""
    data: Any = variable._data
    parts: list[Any] = [variable.dims, variable.attrs]
    if isinstance(data, ManifestArray):
        metadata = data.metadata
        parts += [metadata.shape, metadata.chunks, metadata.data_type, metadata.codecs, metadata.fill_value]
    else:
        encoding = variable.encoding
        parts += [variable.shape, str(variable.dtype), *(encoding.get(name) for name in MEANING_ATTRIBUTES)]
    return json.dumps(parts, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return dict(value) if isinstance(value, Mapping) else str(value)


def signature_of(variable: xr.Variable) -> Signature:
    """Reduce a variable to its signature; nothing is read."""
    dims = tuple(map(str, variable.dims))
    data: Any = variable._data
    if not isinstance(data, ManifestArray):
        encoded = {name: variable.encoding[name] for name in TIME_ATTRIBUTES if name in variable.encoding}
        return Signature(
            virtual=False,
            dims=dims,
            shape=variable.shape,
            # Dates of other calendars are objects; that they have no order is told where labels are compared.
            dtype="dates" if encoded and variable.dtype.kind in "MO" else _dtype_words(variable.dtype),
            chunks=(),
            partial=(),
            shorn=(),
            decoding="",
            codecs="",
            fill_value="",
            meaning="",
            units=_words(encoded or _units(variable.attrs)),
            is_time=bool(encoded),
            attributes=_other(variable.attrs),
        )
    metadata = data.metadata
    grid = metadata.chunk_grid
    return Signature(
        virtual=True,
        dims=dims,
        shape=metadata.shape,
        dtype=_data_type_words(metadata.data_type),
        chunks=metadata.chunks,
        partial=tuple(grid.last_is_partial(axis) for axis in range(len(dims))),
        shorn=tuple(
            n % inner != 0
            for n, inner in zip(metadata.shape, inner_chunk_shape(metadata.codecs), strict=False)
        ),
        decoding=" → ".join(_codec_words(decoding_form(codec)) for codec in metadata.codecs),
        codecs=" → ".join(_codec_words(codec) for codec in metadata.codecs),
        fill_value=value_words(metadata.fill_value),
        meaning=_words({k: variable.attrs[k] for k in ENCODING_ATTRIBUTES if k in variable.attrs}),
        units=_words(_units(variable.attrs)),
        is_time=" since " in str(variable.attrs.get("units", "")),
        attributes=_other(variable.attrs),
    )


def _units(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: attributes[name] for name in TIME_ATTRIBUTES if name in attributes}


def _other(attributes: Mapping[Any, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (str(name), value_words(v)) for name, v in attributes.items() if name not in MEANING_ATTRIBUTES
        )
    )


def _words(attributes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_meaning_words(name, value)}" for name, value in attributes.items()) or "none"


def _meaning_words(name: str, value: Any) -> str:
    if name in ENCODING_ATTRIBUTES and isinstance(value, str) and _reads_as_number(value):
        return json.dumps(value)  # text, which readers take otherwise than the number
    return value_words(value)


def value_words(value: Any) -> str:
    """A value of an attribute, in one form whatever type it was read as."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, str):
        return value
    return json.dumps(_whole(value), default=str)


def _reads_as_number(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _whole(value: Any) -> Any:
    """1 and 1.0 mean the same to a reader of the numbers."""
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _codec_words(codec: Mapping[str, Any]) -> str:
    parameters = ", ".join(
        f"{k}={value_words(v)}" for k, v in sorted((codec.get("configuration") or {}).items())
    )
    name = str(codec["name"]).removeprefix("numcodecs.").removeprefix("vzlab.")
    return f"{name}({parameters})" if parameters else name


def _dtype_words(dtype: np.dtype[Any]) -> str:
    return "string" if dtype.kind in "OTU" else str(dtype)


def _data_type_words(data_type: str | Mapping[str, Any]) -> str:
    return data_type if isinstance(data_type, str) else json.dumps(data_type, sort_keys=True)
