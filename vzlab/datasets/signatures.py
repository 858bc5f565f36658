"""What of a variable must agree between files: one small value for each facet, and its words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vzlab.cf import ENCODING_ATTRIBUTES, MEANING_ATTRIBUTES, TIME_ATTRIBUTES
from vzlab.codecs.compare import decoding_form
from vzlab.datasets.assemble import manifest_array
from vzlab.manifests import ManifestArray


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One variable of one file, reduced to what is compared. Texts are canonical: equal text, equal meaning."""

    virtual: bool
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[Any, ...]
    """Stored chunk lengths of each dimension; empty if the variable is in memory."""
    decoding: str
    """The codec chain without what matters only for encoding."""
    codecs: str
    fill_value: str
    """What unwritten chunks read as."""
    meaning: str
    """Packing and missing values."""
    units: str
    """Units and calendar."""
    attributes: Mapping[str, str]
    """All others."""


def signature_of(variable: xr.Variable) -> Signature:
    """Reduce a variable to its signature; nothing is read."""
    dims = tuple(map(str, variable.dims))
    if not isinstance(variable._data, ManifestArray):
        encoded = {name: variable.encoding[name] for name in MEANING_ATTRIBUTES if name in variable.encoding}
        return Signature(
            virtual=False,
            dims=dims,
            shape=variable.shape,
            dtype=_dtype_words(variable.dtype),
            chunks=(),
            decoding="",
            codecs="",
            fill_value="",
            meaning="",
            units=_words(
                {k: v for k, v in encoded.items() if k in TIME_ATTRIBUTES} or _units(variable.attrs)
            ),
            attributes=_other(variable.attrs),
        )
    metadata = manifest_array(variable).metadata
    return Signature(
        virtual=True,
        dims=dims,
        shape=metadata.shape,
        dtype=_data_type_words(metadata.data_type),
        chunks=metadata.chunks,
        decoding=" → ".join(_codec_words(decoding_form(codec)) for codec in metadata.codecs),
        codecs=" → ".join(_codec_words(codec) for codec in metadata.codecs),
        fill_value=_value_words(metadata.fill_value),
        meaning=_words({k: variable.attrs[k] for k in ENCODING_ATTRIBUTES if k in variable.attrs}),
        units=_words(_units(variable.attrs)),
        attributes=_other(variable.attrs),
    )


def _units(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: attributes[name] for name in TIME_ATTRIBUTES if name in attributes}


def _other(attributes: Mapping[Any, Any]) -> dict[str, str]:
    return {
        str(name): _value_words(value) for name, value in attributes.items() if name not in MEANING_ATTRIBUTES
    }


def _words(attributes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value_words(value)}" for name, value in attributes.items()) or "none"


def _value_words(value: Any) -> str:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, str):
        return value
    # 1 and 1.0 mean the same to a reader of the numbers.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, default=str)


def _codec_words(codec: Mapping[str, Any]) -> str:
    parameters = ", ".join(
        f"{k}={_value_words(v)}" for k, v in sorted((codec.get("configuration") or {}).items())
    )
    name = str(codec["name"]).removeprefix("numcodecs.").removeprefix("vzlab.")
    return f"{name}({parameters})" if parameters else name


def _dtype_words(dtype: np.dtype[Any]) -> str:
    return "string" if dtype.kind in "OTU" else str(dtype)


def _data_type_words(data_type: str | Mapping[str, Any]) -> str:
    return data_type if isinstance(data_type, str) else json.dumps(data_type, sort_keys=True)
