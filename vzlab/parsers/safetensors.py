"""safetensors files as virtual arrays: a JSON header, then the tensors one after another.

Specification: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vzlab.codecs import CodecJSON
from vzlab.errors import CorruptFileError, UnsupportedFormatError, UnvirtualizableError
from vzlab.manifests import ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.contiguous import MIN_CHUNK_BYTES, Block, block_array
from vzlab.storage import Source, StoreRegistry, as_registry, read_array

MAX_HEADER_BYTES = 100_000_000
"""As in the reference implementation."""

_METADATA = "__metadata__"

# All are little-endian, in C order.
_DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}

# Bytes, bits of exponent and of mantissa, and what the largest exponent means: decoded as float32, which holds them exactly.
_FLOATS = {
    "BF16": (2, 8, 7, "ieee"),
    "F8_E5M2": (1, 5, 2, "ieee"),
    "F8_E4M3": (1, 4, 3, "fn"),
}


@dataclass(frozen=True, kw_only=True)
class SafetensorsParser(Parser):
    """Parse safetensors files.

    Names such as ``"model.layer.0.weight"`` stay names of variables in one group: their dots do not make groups. The
    header's ``__metadata__`` are the group's attributes. bfloat16 and 8-bit floats (E5M2, E4M3) decode to float32.

    Parameters
    ----------
    group : str, optional
        There are none: anything but None is an error.
    drop_variables : collection of str
        Names of tensors to leave out.
    min_chunk_bytes : int or None
        See `min_chunk_bytes`.

    Examples
    --------
    >>> group = SafetensorsParser()("one.safetensors")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    min_chunk_bytes: int | None = MIN_CHUNK_BYTES
    """Tensors are split along their first dimension into equal chunks of this many bytes or little more; None keeps them
    whole."""

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        header, begin = _read_header(source)
        metadata = header.pop(_METADATA, {})
        if not isinstance(metadata, dict):
            raise _corrupt(source, f"{_METADATA} is {metadata!r:.50}, expected an object")
        tensors = {name: _tensor(name, entry, begin, source) for name, entry in header.items()}
        _check_coverage(tensors, begin, source)
        names = _dimension_names(tensors)
        arrays: dict[str, ManifestArray] = {}
        unreadable: dict[str, UnreadableVariable] = {}
        for name, tensor in tensors.items():
            if reason := tensor.obstacle:
                unreadable[name] = UnreadableVariable(
                    reason=reason, loadable=False, shape=tensor.shape, dtype=tensor.dtype
                )
            elif not self.drops(name):
                arrays[name] = block_array(
                    tensor.block, source, min_chunk_bytes=self.min_chunk_bytes, dimension_names=names[name]
                )
        return ManifestGroup(
            arrays=arrays,
            unreadable=unreadable,
            attributes=metadata,
            format="safetensors",
            index_decoder="safetensors header",
            header_bytes=begin,
        )

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a tensor's values."""
        stores = as_registry(registry)
        group = self(url, stores)
        if path in group.unreadable:
            raise UnvirtualizableError(f"{path!r} of {os.fspath(url)}: {group.unreadable[path].reason}")
        if path not in group.arrays:
            raise KeyError(f"{os.fspath(url)} has no tensor {path!r}")
        values = read_array(group.arrays[path], stores, name=path)
        return LoadedVariable(values=values, attributes={}, dimension_names=None)


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """One entry of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def obstacle(self) -> str:
        """Why it cannot be virtual; empty if it can."""
        if "/" in self.name or self.name in {"", ".", ".."}:
            return f"Its name {self.name!r} cannot be that of a Zarr array."
        if self.dtype not in _DTYPES and self.dtype not in _FLOATS:
            return f"Its data type is {self.dtype}, for which there is no Zarr data type or codec here."
        if len(self.shape) > 64:
            return f"It has {len(self.shape)} dimensions, more than numpy's 64."
        return ""

    @property
    def itemsize(self) -> int:
        """Bytes of an element as stored."""
        return _FLOATS[self.dtype][0] if self.dtype in _FLOATS else np.dtype(_DTYPES[self.dtype]).itemsize

    @property
    def block(self) -> Block:
        """Where its values lie."""
        if self.dtype in _DTYPES:
            return Block(
                name=self.name, begin=self.begin, shape=self.shape, dtype=np.dtype(_DTYPES[self.dtype])
            )
        return Block(
            name=self.name,
            begin=self.begin,
            shape=self.shape,
            dtype=np.dtype("<f4"),
            stored_itemsize=self.itemsize,
            codecs=_float_codecs(*_FLOATS[self.dtype]),
        )


def _dimension_names(tensors: Mapping[str, _Tensor]) -> dict[str, tuple[str, ...]]:
    """Made-up names: one for each length, and another where a tensor has that length twice, as for HDF5 without scales."""
    numbers: dict[tuple[int, int], int] = {}
    names = {}
    for name, tensor in tensors.items():
        keys = [(length, tensor.shape[:axis].count(length)) for axis, length in enumerate(tensor.shape)]
        names[name] = tuple(f"phony_dim_{numbers.setdefault(key, len(numbers))}" for key in keys)
    return names


def _float_codecs(size: int, exponent_bits: int, mantissa_bits: int, specials: str) -> tuple[CodecJSON, ...]:
    configuration = {
        "elementsize": size,
        "sign": exponent_bits + mantissa_bits,
        "exponent": mantissa_bits,
        "exponent_bits": exponent_bits,
        "mantissa": 0,
        "mantissa_bits": mantissa_bits,
        "bias": (1 << exponent_bits - 1) - 1,
        "endian": "little",
        "decoded_size": 4,
    }
    if specials != "ieee":
        configuration["specials"] = specials
    return (
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "vzlab.float_bits", "configuration": configuration},
    )


def _corrupt(source: Source, what: str) -> CorruptFileError:
    return CorruptFileError(f"{source.url} is a damaged safetensors file: {what}. Fetch it again.")


def _read_header(source: Source) -> tuple[dict[str, Any], int]:
    """The header, and the first byte after it."""
    size = source.size_bytes
    start = source.read(0, min(size, 9))
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or start[8:] != b"{" or not 2 <= length <= MAX_HEADER_BYTES:
        raise UnsupportedFormatError(
            f"{source.url} begins with {start!r}; expected the length of a header in 8 bytes, at most {MAX_HEADER_BYTES:,}, "
            "and '{': it is no safetensors file."
        )
    if 8 + length > size:
        raise _corrupt(source, f"its header should end at byte {8 + length}, and it has {size} bytes")
    try:
        header = json.loads(source.read(8, length), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise _corrupt(source, f"its header is no sound JSON ({error})") from error
    # It begins with a brace.
    assert isinstance(header, dict)
    return header, 8 + length


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _tensor(name: str, entry: Any, begin: int, source: Source) -> _Tensor:
    if not (
        isinstance(entry, Mapping)
        and isinstance(entry.get("dtype"), str)
        and _are_counts(entry.get("shape"))
        and _are_counts(entry.get("data_offsets"))
        and len(entry["data_offsets"]) == 2
    ):
        raise _corrupt(
            source, f"tensor {name!r} is {str(entry)[:100]}, expected dtype, shape and data_offsets"
        )
    first, last = entry["data_offsets"]
    tensor = _Tensor(
        name=name, dtype=entry["dtype"], shape=tuple(entry["shape"]), begin=begin + first, end=begin + last
    )
    if first > last or (not tensor.obstacle and tensor.block.n_bytes != last - first):
        needed = f", and needs {tensor.block.n_bytes:,} bytes" if not tensor.obstacle else ""
        raise _corrupt(
            source,
            f"tensor {name!r} of shape {tensor.shape} {tensor.dtype} lies at {first} to {last}{needed}",
        )
    return tensor


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_coverage(tensors: Mapping[str, _Tensor], begin: int, source: Source) -> None:
    """Specification: no holes, no overlaps, and nothing behind the last tensor."""
    end = begin
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.begin, tensor.end)):
        if tensor.begin != end:
            raise _corrupt(
                source, f"tensor {tensor.name!r} begins at byte {tensor.begin}, where {end} is expected"
            )
        end = tensor.end
    if end != source.size_bytes:
        raise _corrupt(source, f"its tensors end at byte {end}, and it has {source.size_bytes} bytes")
