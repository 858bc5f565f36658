"""Zarr v2 and v3 metadata documents as array metadata and groups, whatever store or reference set they come from."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vzlab.cf import from_zarr_attributes
from vzlab.codecs import from_v2
from vzlab.errors import UnsupportedDataTypeError, VzlabError
from vzlab.manifests import ArrayMetadata, ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.manifests.data_types import encode_fill_value, zarr_dtype

DOCUMENT_NAMES = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"})
"""Last parts of the keys of metadata documents (Zarr v2 specification, "Metadata"; Zarr v3 core, "Metadata documents")."""

_DIMENSIONS = "_ARRAY_DIMENSIONS"
"""The attribute by which xarray names dimensions in Zarr v2."""


@dataclass(frozen=True, kw_only=True)
class ChunkKeys:
    """How the chunks of an array are named below it."""

    prefix: str
    """``"c"`` for Zarr v3's default encoding, else empty."""
    separator: str


def read_json(data: str | bytes | Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A metadata document, parsed.

    Raises
    ------
    ValueError
        If it is no JSON object, naming its key.
    """
    try:
        document = data if isinstance(data, Mapping) else json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{key!r} is no JSON ({error})") from error
    if not isinstance(document, Mapping):
        raise ValueError(  # noqa: TRY004 - what is wrong is the file, not the call
            f"{key!r} holds {str(document)[:60]!r}; expected a JSON object"
        )
    return document


def array_from_v2(zarray: Mapping[str, Any], zattrs: Mapping[str, Any]) -> tuple[ArrayMetadata, ChunkKeys]:
    """A ``.zarray`` document with its ``.zattrs`` (Zarr v2 specification, "Arrays").

    A `fill_value` is what readers of Zarr v2 take for ``_FillValue`` too, so it becomes that attribute.

    Raises
    ------
    UnsupportedCodecError, UnsupportedDataTypeError
        If Zarr v3 has no counterpart.
    ValueError
        If the document contradicts the specification.
    """
    if zarray.get("zarr_format") != 2:
        raise ValueError(f"Found zarr_format {zarray.get('zarr_format')!r} in a .zarray; expected 2")
    try:
        shape, chunks = _lengths(zarray["shape"], 0), _lengths(zarray["chunks"], 1)
        dtype, filters, compressor = zarray["dtype"], zarray.get("filters"), zarray["compressor"]
        order, fill = zarray.get("order", "C"), zarray.get("fill_value")
    except KeyError as error:
        raise ValueError(f"The .zarray has no {error.args[0]!r}") from error
    if len(shape) != len(chunks):
        raise ValueError(f"Found a shape {shape} with chunks {chunks}; expected as many of each")
    if order not in ("C", "F"):
        raise ValueError(f"Found order {order!r}; expected 'C' or 'F'")
    try:
        codecs = from_v2(dtype, filters, compressor, order=order, n_dimensions=len(shape))
        kind = _v2_type(dtype, filters or ())
        data_type, fill_value = _v3_terms(kind, fill)
    except VzlabError:
        raise
    except Exception as error:  # documents of others: whatever is wrong in them is theirs
        raise ValueError(f"Its encoding cannot be understood ({error})") from error
    names = zattrs.get(_DIMENSIONS)
    attributes = {name: value for name, value in zattrs.items() if name != _DIMENSIONS}
    if not (isinstance(names, list) and len(names) == len(shape) and all(isinstance(n, str) for n in names)):
        names = None
    metadata = ArrayMetadata(
        shape=shape,
        data_type=data_type,
        chunks=chunks,
        codecs=codecs,
        fill_value=fill_value,
        attributes=attributes,
        dimension_names=None if names is None else tuple(names),
    )
    if fill is not None and kind.to_native_dtype().kind not in "VSU":
        masked = metadata.fill_scalar
        plain = masked.item() if isinstance(masked, np.generic) and masked.dtype.kind in "biufc" else masked
        if isinstance(plain, bool | int | float | complex | str):
            metadata = replace(metadata, attributes={**attributes, "_FillValue": plain})
    return metadata, ChunkKeys(prefix="", separator=str(zarray.get("dimension_separator") or "."))


def array_from_v3(document: Mapping[str, Any]) -> tuple[ArrayMetadata, ChunkKeys]:
    """A ``zarr.json`` of an array (Zarr v3 core specification, "Array metadata").

    Raises
    ------
    ValueError
        If it contradicts the specification.
    UnsupportedDataTypeError
        If nothing here knows the data type.
    """
    try:
        metadata = ArrayMetadata.from_dict(document)
        _lengths(metadata.shape, 0)
        encoding = document["chunk_key_encoding"]
        named: Mapping[str, Any] = {"name": encoding} if isinstance(encoding, str) else encoding
        name, configuration = named["name"], named.get("configuration") or {}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The zarr.json of the array is incomplete ({error})") from error
    if name not in ("default", "v2"):
        raise ValueError(f"Found chunk key encoding {name!r}; expected 'default' or 'v2'")
    try:
        dtype, _ = metadata.dtype, metadata.fill_scalar
    except Exception as error:
        raise UnsupportedDataTypeError(
            f"Found the data type {json.dumps(metadata.data_type)[:100]} with fill value {str(metadata.fill_value)[:60]!r}, "
            f"which cannot be read ({str(error)[:200]})."
        ) from error
    separator = str(configuration.get("separator") or ("/" if name == "default" else "."))
    return replace(metadata, attributes=from_zarr_attributes(metadata.attributes, dtype)), ChunkKeys(
        prefix="c" if name == "default" else "", separator=separator
    )


def _lengths(values: Any, lowest: int) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or not all(
        isinstance(n, int) and not isinstance(n, bool) and lowest <= n < 1 << 63 for n in values
    ):
        raise ValueError(f"Found lengths {str(values)[:60]}; expected whole numbers of at least {lowest}")
    return tuple(values)


def _v2_type(dtype: Any, filters: Any) -> Any:
    """The zarr-python data type of a Zarr v2 ``dtype``; an object's first filter says what it is."""
    from zarr.core.dtype import get_data_type_from_json

    codec = next(
        (f["id"] for f in filters if str(f.get("id", "")).startswith(("vlen-", "json", "pickle"))), None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_data_type_from_json({"name": _fields(dtype), "object_codec_id": codec}, zarr_format=2)


def _fields(dtype: Any) -> Any:
    return dtype if isinstance(dtype, str) else [[f[0], _fields(f[1]), *f[2:]] for f in dtype]


def _v3_terms(kind: Any, fill: Any) -> tuple[str | Mapping[str, Any], Any]:
    """Data type and fill value of a Zarr v2 array as Zarr v3 says them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_type: str | Mapping[str, Any] = kind.to_json(zarr_format=3)
        value = kind.default_scalar() if fill is None else kind.from_json_scalar(fill, zarr_format=2)
        if isinstance(data_type, str):
            return data_type, encode_fill_value(data_type, value)
        return data_type, zarr_dtype(data_type).to_json_scalar(value, zarr_format=3)


def unreadable_from(
    error: Exception, document: Mapping[str, Any], attributes: Mapping[str, Any], *, loadable: bool
) -> UnreadableVariable:
    """An array of which the metadata or references cannot be used, with what can be told of it."""
    reason = str(error).rstrip()
    shape, names = document.get("shape"), document.get("dimension_names", attributes.get(_DIMENSIONS))
    known = isinstance(shape, list) and all(isinstance(n, int) for n in shape)
    fits = isinstance(names, list) and known and len(names) == len(shape or ())
    return UnreadableVariable(
        reason=reason if reason.endswith((".", "!")) else f"{reason}.",
        loadable=loadable,
        shape=tuple(shape) if isinstance(shape, list) and known else None,
        dtype=str(document.get("dtype", document.get("data_type")))[:100],
        dimension_names=tuple(names) if isinstance(names, list) and fits else None,
        attributes={name: value for name, value in attributes.items() if name != _DIMENSIONS},
    )


def build_tree(
    nodes: Mapping[str, ManifestArray | UnreadableVariable],
    group_attributes: Mapping[str, Mapping[str, Any]],
    *,
    format: str,  # noqa: A002
    index_decoder: str = "",
) -> ManifestGroup:
    """Groups out of nodes by path; groups on the way that nobody declared are made.

    Parameters
    ----------
    nodes : mapping
        Arrays, and variables that cannot be read, by path.
    group_attributes : mapping
        Of each group by path; ``""`` is the root.
    """
    arrays: dict[str, dict[str, ManifestArray]] = {}
    unreadable: dict[str, dict[str, UnreadableVariable]] = {}
    groups: dict[str, dict[str, None]] = {"": {}}
    for path in (*group_attributes, *(path.rpartition("/")[0] for path in nodes)):
        while path and path not in groups:
            groups[path] = {}
            path = path.rpartition("/")[0]  # noqa: PLW2901 - up to the first known one
    for path in sorted(filter(None, groups), key=lambda p: p.count("/"), reverse=True):
        groups[path.rpartition("/")[0]].setdefault(path.rpartition("/")[2])
    for path, node in nodes.items():
        above, _, name = path.rpartition("/")
        if isinstance(node, ManifestArray):
            arrays.setdefault(above, {})[name] = node
        else:
            unreadable.setdefault(above, {})[name] = node
    built: dict[str, ManifestGroup] = {}
    # The deepest first, so that what a group holds is there before it.
    for path in sorted(groups, key=lambda p: (p.count("/") + 1) if p else 0, reverse=True):
        built[path] = ManifestGroup(
            arrays=arrays.get(path, {}),
            groups={name: built[f"{path}/{name}" if path else name] for name in sorted(groups[path])},
            attributes=group_attributes.get(path, {}),
            unreadable=unreadable.get(path, {}),
            format=format,
            index_decoder=index_decoder,
        )
    return built[""]


def n_chunks(document: Mapping[str, Any]) -> int:
    """Number of chunks that a ``.zarray`` document means."""
    return math.prod(-(-n // c) for n, c in zip(document["shape"], document["chunks"], strict=True))
