"""Chunk references of one array as the columns of a manifest: whole columns at a time."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import CorruptFileError, UnsupportedFormatError, UnvirtualizableError, VzlabError
from vzlab.manifests import ChunkGrid, ChunkManifest
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.parsers.zarr_documents import ChunkKeys
from vzlab.storage import StoreRegistry, join_url, normalize_url

MAX_CHUNKS = 50_000_000
"""Chunks that the grid of an array with any references may have: columns over it take 20 bytes a chunk."""

_CACHES = frozenset({"simplecache", "filecache", "blockcache", "cached"})
_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class Columns:
    """References of some chunks of an array; row i of each column is about one chunk."""

    positions: npt.NDArray[np.int64]
    """Where in the chunk grid, in C order."""
    urls: Sequence[str]
    """The distinct targets, as the references say them."""
    codes: npt.NDArray[np.uint32]
    """Position in ``urls``, or ``INLINE``."""
    offsets: npt.NDArray[np.uint64]
    """First byte; of an inline chunk the position in ``inline``."""
    lengths: npt.NDArray[np.uint64]
    inline: Sequence[bytes] = ()
    whole: npt.NDArray[np.bool_] | None = None
    """Which references are to all of a file."""


def check_grid(grid: ChunkGrid) -> None:
    """Refuse a grid of which the columns would not fit into memory.

    Raises
    ------
    UnvirtualizableError
    """
    if grid.n_chunks > MAX_CHUNKS:
        raise UnvirtualizableError(
            f"Its grid has {grid.n_chunks:,} chunks; at most {MAX_CHUNKS:,} can be held. Write it with larger chunks."
        )


def as_manifest(
    parts: Sequence[Columns], grid: ChunkGrid, resolve: Callable[[str], str], registry: StoreRegistry
) -> ChunkManifest:
    """The manifest that all parts make together; chunks that none is about are missing.

    Parameters
    ----------
    resolve : callable
        The absolute url of what a reference names.
    registry : StoreRegistry
        Asked for the length of files that are referenced as a whole.

    Raises
    ------
    VzlabError
        If a url cannot be resolved, or a file that is referenced as a whole cannot be reached.
    """
    if not any(part.positions.size for part in parts):
        return ChunkManifest.empty(grid.grid_shape)
    n = grid.n_chunks
    index = np.full(n, MISSING, np.uint32)
    offsets, lengths = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    sources: dict[str, int] = {}
    inline: list[bytes] = []
    for part in parts:
        # Past the last source one more, for codes of inline chunks.
        numbers = np.array(
            [sources.setdefault(resolve(url), len(sources)) for url in part.urls] + [0], np.uint32
        )
        held = part.codes == np.uint32(INLINE)
        at = part.positions
        index[at] = np.where(held, np.uint32(INLINE), numbers[np.where(held, len(part.urls), part.codes)])
        offsets[at] = np.where(held, part.offsets + np.uint64(len(inline)), part.offsets)
        lengths[at] = part.lengths
        inline.extend(part.inline)
        if part.whole is not None and part.whole.any():
            lengths[at[part.whole]] = _sizes(list(sources), index[at[part.whole]], registry)
    shape = grid.grid_shape
    return ChunkManifest(
        sources=tuple(sources),
        source_index=index.reshape(shape),
        offsets=offsets.reshape(shape),
        lengths=lengths.reshape(shape),
        inline=inline,
    )


def _sizes(urls: list[str], index: npt.NDArray[np.uint32], registry: StoreRegistry) -> npt.NDArray[np.uint64]:
    """Length of the file of each reference, each file asked once."""
    wanted, inverse = np.unique(index, return_inverse=True)

    def size(number: int) -> int:
        try:
            return registry.open(urls[number]).size_bytes
        except (VzlabError, OSError) as error:
            raise UnvirtualizableError(
                f"A reference is to all of {urls[number]}, of which the length cannot be found out: {error}"
            ) from error

    if len(wanted) == 1:
        found = [size(int(wanted[0]))]
    else:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(size, wanted.tolist()))
    return np.array(found, np.uint64)[inverse]


def columns_of(
    names: Sequence[str],
    entries: Sequence[Any],
    *,
    keys: ChunkKeys,
    grid: ChunkGrid,
    fill_template: Callable[[str], str] | None,
) -> Columns:
    """References out of JSON: chunk names below an array, and what each refers to.

    Parameters
    ----------
    entries : sequence
        Of each chunk ``[url, offset, length]``, ``[url]``, or its bytes as text.
    fill_template : callable, optional
        Fills templates in a url; None if there are none.

    Raises
    ------
    CorruptFileError
        If a reference is none of these.
    UnsupportedFormatError
        If a template is not understood.
    """
    positions, known = chunk_positions(names, keys, grid.grid_shape)
    if not known.all():
        positions = positions[known]
        entries = [entry for entry, keep in zip(entries, known.tolist(), strict=True) if keep]
    n = len(entries)
    codes = np.full(n, INLINE, np.uint32)
    offsets, lengths = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    kinds = np.fromiter(map(_kind, entries), np.uint8, n)
    inline = _inline(entries, np.flatnonzero(kinds == 0), offsets, lengths)
    urls: dict[str, int] = {}
    for kind in (1, 3):
        at = np.flatnonzero(kinds == kind)
        if not at.size:
            continue
        chosen = entries if at.size == n else [entries[i] for i in at.tolist()]
        targets = list(map(itemgetter(0), chosen))
        for target in dict.fromkeys(targets):
            urls.setdefault(target, len(urls))
        codes[at] = np.fromiter(map(urls.__getitem__, targets), np.uint32, at.size)
        if kind == 3:
            offsets[at], lengths[at] = _numbers(chosen, 1), _numbers(chosen, 2)
    return Columns(
        positions=positions,
        urls=[fill_template(url) for url in urls] if fill_template else list(urls),
        codes=codes,
        offsets=offsets,
        lengths=lengths,
        inline=inline,
        whole=kinds == 1,
    )


def _kind(entry: Any) -> int:
    """0 for bytes, else how many parts a reference has."""
    if isinstance(entry, list | tuple):
        if len(entry) in (1, 3) and isinstance(entry[0], str):
            return len(entry)
    elif isinstance(entry, str | bytes | Mapping):
        return 0
    raise CorruptFileError(
        f"Found the reference {str(entry)[:100]}; expected text, [url] or [url, offset, length]"
    )


def _inline(
    entries: Sequence[Any],
    at: npt.NDArray[np.intp],
    offsets: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.uint64],
) -> list[bytes]:
    inline = [inline_bytes(entries[i]) for i in at.tolist()]
    offsets[at] = np.arange(at.size, dtype=np.uint64)
    lengths[at] = np.fromiter(map(len, inline), np.uint64, at.size)
    return inline


def _numbers(entries: Sequence[Any], part: int) -> npt.NDArray[np.uint64]:
    """One column of numbers; what is no whole number or negative is refused."""
    values = list(map(itemgetter(part), entries))
    column = np.array(values) if all(map(int.__instancecheck__, values)) else np.array(None)
    if column.dtype.kind not in "iu" or (column.dtype.kind == "i" and int(column.min()) < 0):
        wrong = next(
            entry
            for entry, value in zip(entries, values, strict=True)
            if not isinstance(value, int) or not 0 <= value < 1 << 63
        )
        raise CorruptFileError(
            f"Found the reference {str(wrong)[:100]}; expected offset and length as whole numbers of at least 0"
        )
    return column.astype(np.uint64)


def chunk_positions(
    names: Sequence[str], keys: ChunkKeys, grid_shape: Sequence[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Position in C order that each chunk name means, and which names mean one at all."""
    n, rank = len(names), len(grid_shape)
    if rank == 0:
        only = keys.prefix or "0"
        known = np.fromiter((name == only for name in names), np.bool_, n)
        return np.zeros(n, np.int64), known
    indices = _indices(names, keys, rank)
    if indices is None:
        return _one_by_one(names, keys, grid_shape)
    known = (indices < np.array(grid_shape)).all(axis=1)
    return ravel(indices, grid_shape), known


def ravel(indices: npt.NDArray[np.int64], grid_shape: Sequence[int]) -> npt.NDArray[np.int64]:
    """Positions in C order of grid indices of shape (chunks, dimensions)."""
    strides = [math.prod(grid_shape[axis + 1 :]) for axis in range(len(grid_shape))]
    return (indices * np.array(strides, np.int64)).sum(axis=1)


def _indices(names: Sequence[str], keys: ChunkKeys, rank: int) -> npt.NDArray[np.int64] | None:
    """Grid indices, shape (names, rank), if all names are in the one form that readers look for."""
    text = "\n".join(names)
    expected = len(text)
    prefix = keys.prefix + keys.separator if keys.prefix else ""
    if prefix:
        if text.count(prefix) != len(names) or not all(map(str.startswith, names, [prefix] * len(names))):
            return None
        text = text.replace(prefix, "")
        expected -= len(prefix) * len(names)
    text = text.replace(keys.separator, " ").replace("\n", " ")
    if not text.replace(" ", "").isascii() or not text.replace(" ", "").isdigit():
        return None
    if max(map(len, names)) > 18 * rank:
        return None
    numbers = np.fromstring(text, np.int64, sep=" ")
    # Each number in its shortest form, and one separator between two, is as long as the text was: no zeros were before any.
    digits = 1 + sum((numbers >= 10**power).sum() for power in range(1, 19) if (numbers >= 10**power).any())
    n_digits = int(numbers.size + (digits - 1))
    if numbers.size != len(names) * rank or n_digits + numbers.size - 1 != expected:
        return None
    per_name = np.fromiter((name.count(keys.separator) for name in names), np.int64, len(names))
    if (per_name != rank - 1 + bool(keys.prefix)).any():
        return None
    return numbers.reshape(len(names), rank)


def _one_by_one(
    names: Sequence[str], keys: ChunkKeys, grid_shape: Sequence[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """As `chunk_positions`, of names of which some are no chunk's."""
    known = np.zeros(len(names), np.bool_)
    positions = np.zeros(len(names), np.int64)
    for i, name in enumerate(names):
        parts = name.split(keys.separator)
        if keys.prefix and parts.pop(0) != keys.prefix:
            continue
        if len(parts) == len(grid_shape) and all(
            part.isascii()
            and part.isdigit()
            and len(part) < 19
            and str(int(part)) == part
            and int(part) < length
            for part, length in zip(parts, grid_shape, strict=True)
        ):
            known[i] = True
            positions[i] = np.ravel_multi_index(tuple(map(int, parts)), tuple(grid_shape))
    return positions, known


def inline_bytes(entry: Any) -> bytes:
    """The bytes that an inline reference means (Kerchunk specification, "Version 0"; an object is a JSON document).

    Raises
    ------
    CorruptFileError
        If it says that it is base64 and is not.
    """
    data = entry
    if isinstance(entry, Mapping):
        data = json.dumps(entry)
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if not isinstance(data, bytes):
        raise CorruptFileError(f"Found {str(data)[:60]!r}; expected text, bytes or a reference to some")
    if not data.startswith(b"base64:"):
        return data
    try:
        return base64.b64decode(data[7:])
    except (binascii.Error, ValueError) as error:
        raise CorruptFileError(f"The inline reference {data[:60]!r} is no base64 ({error})") from error


def resolver(base: str | None) -> Callable[[str], str]:
    """How targets of references are resolved: against the place of the references, a path from the root on this machine.

    Object keys and paths in references are as they are; only in HTTP urls are characters percent-encoded (fsspec).

    Raises
    ------
    UnsupportedFormatError
        When called with a chain of file systems that is no cache over one.
    """

    def resolve(target: str) -> str:
        if "::" in target:
            first, _, rest = target.partition("::")
            if first not in _CACHES or "::" in rest:
                raise UnsupportedFormatError(
                    f"Found a reference to {target[:100]!r}: chunks inside of another archive cannot be referenced."
                )
            target = rest
        if target.startswith(("http://", "https://")):
            return normalize_url(target)
        if "://" in target:
            return normalize_url(target.replace("%", "%25"))
        if base is None or target.startswith("/"):
            return normalize_url(target)
        return join_url(base, target)

    return resolve
