"""Reference sets as JSON or Python objects: versions 0 and 1, compressed or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vzlab.errors import CorruptFileError, UnsupportedFormatError
from vzlab.manifests import ChunkGrid
from vzlab.parsers.kerchunk.columns import Columns, columns_of
from vzlab.parsers.kerchunk.references import References
from vzlab.parsers.kerchunk.templates import Templates, generated
from vzlab.parsers.zarr_documents import DOCUMENT_NAMES, ChunkKeys, read_json
from vzlab.storage import Source, StoreRegistry
from vzlab.storage.unpacking import unpack

MAX_JSON_BYTES = 2 * 2**30
"""A reference set in JSON may be this long, unpacked; longer ones are for Parquet."""


def read_document(source: Source) -> Any:
    """The JSON in a file, which gzip or Zstandard may have packed.

    Raises
    ------
    CorruptFileError
        If it is no JSON, or longer than `MAX_JSON_BYTES`.
    """
    if source.size_bytes > MAX_JSON_BYTES:
        raise CorruptFileError(
            f"{source.url} has {source.size_bytes:,} bytes; at most {MAX_JSON_BYTES:,} are read. Write it as Parquet."
        )
    data = unpack(source.read(0, source.size_bytes), MAX_JSON_BYTES, url=source.url)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(
            f"{source.url} is no JSON: {error}. It was truncated or damaged: fetch it again."
        ) from error


def read_references(content: Any, *, base: str | None, registry: StoreRegistry, url: str) -> References:
    """References out of parsed JSON or a Python mapping (Kerchunk specification, "Version 0" and "Version 1").

    Parameters
    ----------
    base : str, optional
        Url of the file that they are in; relative paths start beside it.

    Raises
    ------
    UnsupportedFormatError
        If it is of another version, or has generators with expressions that are not understood.
    CorruptFileError
        If it is no set of references.
    """
    if not isinstance(content, Mapping):
        raise CorruptFileError(f"{url} holds {str(content)[:60]!r}; expected a set of references")
    version = content.get("version")
    templates: Templates | None = None
    refs: Any = content
    if version not in (None, 1):
        raise UnsupportedFormatError(
            f"{url} holds references of version {version!r}; versions 0 and 1 are known"
        )
    if version == 1 or isinstance(content.get("refs"), Mapping):
        refs = content.get("refs", {})
        try:
            if content.get("templates"):
                templates = Templates(content["templates"])
            if content.get("gen"):
                made = generated(content["gen"], templates or Templates({}))
                refs = {**refs, **dict(made)} if isinstance(refs, Mapping) else refs
        except CorruptFileError as error:
            raise CorruptFileError(f"{url}: {error}") from error
        except UnsupportedFormatError as error:
            raise UnsupportedFormatError(f"{url}: {error}") from error
    if not isinstance(refs, Mapping) or not all(map(str.__instancecheck__, refs)):
        raise CorruptFileError(f"{url} holds {str(refs)[:60]!r} for references; expected an object by key")
    documents, parents = _split(refs, url)
    fill = None if templates is None else templates.fill

    def columns(path: str, keys: ChunkKeys, grid: ChunkGrid) -> Sequence[Columns]:
        names, entries = parents.get(path, ((), ()))
        if not names:
            return ()
        return [columns_of(names, entries, keys=keys, grid=grid, fill_template=fill)]

    return References(documents=documents, columns=columns, base=base, registry=registry, fill_template=fill)


type _Chunks = dict[str, tuple[list[str], list[Any]]]


def _split(refs: Mapping[str, Any], url: str) -> tuple[dict[str, Any], _Chunks]:
    """Documents by key, and names with entries of chunks by the path of their array."""
    documents: dict[str, Any] = {}
    by_parent: _Chunks = {}
    for key, entry in refs.items():
        parent, _, name = key.rpartition("/")
        if name in DOCUMENT_NAMES:
            documents[key] = entry
        else:
            names, entries = by_parent.setdefault(parent, ([], []))
            names.append(name)
            entries.append(entry)
    consolidated = documents.pop(".zmetadata", None)
    if isinstance(consolidated, str | bytes | Mapping):
        try:
            inner = read_json(consolidated, ".zmetadata").get("metadata")
        except ValueError as error:
            raise CorruptFileError(f"{url}: {error}") from error
        documents = {**(inner if isinstance(inner, Mapping) else {}), **documents}
    owners = {
        key.rpartition("/")[0] for key in documents if key.rpartition("/")[2] in (".zarray", "zarr.json")
    }
    chunks: _Chunks = {}
    for parent, (names, entries) in by_parent.items():
        owner = _owner(parent, owners)
        if owner is None:
            continue
        # Indices with a slash between them are several levels below their array.
        rest = parent[len(owner) :].lstrip("/")
        if owner not in chunks and not rest:
            chunks[owner] = (names, entries)
            continue
        into_names, into_entries = chunks.setdefault(owner, ([], []))
        into_names.extend([f"{rest}/{name}" for name in names] if rest else names)
        into_entries.extend(entries)
    return documents, chunks


def _owner(path: str, owners: set[str]) -> str | None:
    """The nearest path at or above one that is an array's; a group in between is no matter, it has no chunks."""
    while path not in owners:
        if not path:
            return None
        path = path.rpartition("/")[0]
    return path
