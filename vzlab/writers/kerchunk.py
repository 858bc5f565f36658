"""Write a virtual dataset or tree as Kerchunk references: JSON, Parquet or a dict."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from zarr.errors import UnstableSpecificationWarning
from zarr.storage import MemoryStore

from vzlab.cf import to_zarr_attributes
from vzlab.errors import WriteError
from vzlab.manifests import ManifestArray
from vzlab.manifests.manifest import INLINE
from vzlab.storage import StoreRegistry, as_registry, local_path, normalize_url
from vzlab.storage.gate import pass_gate
from vzlab.storage.manifest_store import array_document
from vzlab.writers.contents import GroupContents, take_apart
from vzlab.writers.kerchunk_columns import (
    ChunkKeys,
    ReferencedArray,
    fsspec_url,
    held_chunks,
    inline_text,
    virtual_rows,
)
from vzlab.writers.plan import check_manifest, join
from vzlab.writers.zarr_v2 import to_zarr_v2

type Format = Literal["json", "parquet", "dict"]


@dataclass(frozen=True, kw_only=True)
class References:
    """All that the references consist of, before it takes a format."""

    documents: Mapping[str, Mapping[str, Any]]
    """``.zgroup``, ``.zattrs`` and ``.zarray``, or ``zarr.json``, by key."""
    arrays: Mapping[str, ReferencedArray]
    """Virtual arrays by path."""
    chunks: Mapping[str, bytes]
    """Chunks of loaded variables by key."""


def write_kerchunk(
    dataset: xr.Dataset | xr.DataTree,
    path: str | os.PathLike[str] | None = None,
    *,
    format: Format = "json",  # noqa: A002
    group: str | None = None,
    zarr_format: Literal[2, 3] = 2,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Write references that fsspec's ``ReferenceFileSystem`` and xarray's ``engine="kerchunk"`` read.

    Chunks in memory and loaded variables go into the references themselves. The target appears
    whole or not at all. (Of Parquet, fsspec 2026.9 reads groups below the root only if it is told the protocol of the
    files: ``storage_options={"remote_protocol": "file"}``.)

    Parameters
    ----------
    dataset : xarray.Dataset or xarray.DataTree
    path : path or url, optional
        A file for JSON, a directory for Parquet; nothing for ``"dict"``.
    format : {"json", "parquet", "dict"}
    group : str, optional
        Path of a group in the references to put the dataset in; None is the root.
    zarr_format : {2, 3}
        Of the metadata. Zarr v2 is what most readers expect; v3 says more codecs, chunks of different lengths, and values of
        unwritten chunks that are not missing values, to readers of JSON (fsspec's reader of Parquet knows v2 only).
    storage_options : mapping, optional
        For a url as target, as ``obstore`` names them.

    Returns
    -------
    dict or None
        The references for ``"dict"``.

    Raises
    ------
    WriteError
        Naming the variable, if Zarr v2 cannot say its chunk grid or codecs, or cannot tell unwritten from missing values.
    """
    if zarr_format not in (2, 3) or (zarr_format, format) == (3, "parquet"):
        raise WriteError(
            f"Found zarr_format={zarr_format} with format={format!r}; expected 2, or 3 with 'json' or 'dict': fsspec finds "
            "chunks in Parquet by the .zarray of Zarr v2"
        )
    if (path is None) != (format == "dict"):
        raise WriteError(
            f"Found path={path!r} with format={format!r}; expected a path for 'json' and 'parquet', none for 'dict'"
        )
    references = build_references(take_apart(dataset, group), zarr_format)
    if path is None:
        return as_dict(references)
    if format == "json":
        write_json(references, path, storage_options)
    elif format == "parquet":
        from vzlab.writers.kerchunk_parquet import write_parquet

        write_parquet(references, path, storage_options)
    else:
        raise WriteError(f"Found format={format!r}; expected 'json', 'parquet' or 'dict'")
    return None


def build_references(contents: tuple[GroupContents, ...], zarr_format: Literal[2, 3] = 2) -> References:
    """Say groups in the terms of Zarr v2 or v3; refuses what v2 cannot say."""
    documents: dict[str, Mapping[str, Any]] = {}
    arrays: dict[str, ReferencedArray] = {}
    chunks: dict[str, bytes] = {}
    for part in contents:
        for above in _ancestors(part.path):
            if zarr_format == 2:
                documents.setdefault(join(above, ".zgroup"), {"zarr_format": 2})
            else:
                documents.setdefault(join(above, "zarr.json"), GroupContents(path=above).document())
        if zarr_format == 2:
            documents[join(part.path, ".zattrs")] = to_zarr_attributes(part.attributes, np.dtype(object))
        else:
            documents[join(part.path, "zarr.json")] = part.document()
        for name, array in part.virtual.items():
            path = join(part.path, name)
            check_manifest(path, array.manifest)
            arrays[path] = entry = build_entry(path, array, zarr_format)
            documents |= {f"{path}/{key}": document for key, document in entry.documents.items()}
        for key, value in _loaded(part, zarr_format).items():
            if key.endswith((".zarray", ".zattrs", "zarr.json")):
                documents[key] = json.loads(value)
            else:
                chunks[key] = value
    return References(documents=documents, arrays=arrays, chunks=chunks)


def build_entry(path: str, array: ManifestArray, zarr_format: Literal[2, 3]) -> ReferencedArray:
    """Say one array in the terms of Zarr v2 or v3; refuses what v2 cannot say, and v3 says whatever a virtual array can be."""
    if zarr_format == 2:
        return to_zarr_v2(path, array)
    return ReferencedArray(
        zarr_format=3, documents={"zarr.json": array_document(array)}, array=array, unwritten=None
    )


def _ancestors(path: str) -> list[str]:
    parts = path.split("/") if path else []
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _loaded(part: GroupContents, zarr_format: Literal[2, 3]) -> dict[str, bytes]:
    """Keys and values of the loaded variables of a group, as xarray writes them."""
    if not part.loaded:
        return {}
    held: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        part.dataset_of_loaded().to_zarr(MemoryStore(held), zarr_format=zarr_format, consolidated=False)
    below = sorted(key for key in held if "/" in key)  # what is above belongs to the group
    # xarray writes variables in the order of a set, which is another one in each process.
    place = {name: number for number, name in enumerate(part.loaded)}
    below.sort(key=lambda key: place[key.split("/", 1)[0]])
    return {join(part.path, key): held[key].to_bytes() for key in below}


# -- formats -----------------------------------------------------------------------------------------------------------


def as_dict(references: References) -> dict[str, Any]:
    """References version 1 as Python objects."""
    refs: dict[str, Any] = {
        key: json.dumps(value, allow_nan=False) for key, value in references.documents.items()
    }
    for path, entry in references.arrays.items():
        manifest = entry.array.manifest
        names = ChunkKeys(path, entry)
        index = manifest.source_index.reshape(-1)
        virtual = np.flatnonzero(index < INLINE)
        urls = np.array([fsspec_url(source.url) for source in manifest.sources], dtype=object)
        keys = [names.prefix + key for key in names.rest(virtual).to_pylist()]
        columns = (
            urls[index[virtual]].tolist() if virtual.size else [],
            manifest.offsets.reshape(-1)[virtual].tolist(),
            manifest.lengths.reshape(-1)[virtual].tolist(),
        )
        refs.update(zip(keys, map(list, zip(*columns, strict=True)), strict=True))
        refs.update((key, inline_text(data)) for key, data in held_chunks(path, entry))
    refs.update((key, inline_text(data)) for key, data in references.chunks.items())
    return {"version": 1, "refs": refs}


def json_parts(references: References) -> Iterator[bytes]:
    """References version 1 as JSON, piece by piece."""
    yield b'{"version": 1, "refs": {\n'
    for path, entry in references.arrays.items():
        yield from virtual_rows(path, entry)
        for key, data in held_chunks(path, entry):
            yield f"{json.dumps(key)}: {json.dumps(inline_text(data))},\n".encode()
    for key, data in references.chunks.items():
        yield f"{json.dumps(key)}: {json.dumps(inline_text(data))},\n".encode()
    # There is always a group, so that a document comes last and no comma does.
    documents = (
        f"{json.dumps(key)}: {json.dumps(json.dumps(value, allow_nan=False))}"
        for key, value in references.documents.items()
    )
    yield ",\n".join(documents).encode()
    yield b"\n}}\n"


def write_json(
    references: References, path: str | os.PathLike[str], storage_options: Mapping[str, Any] | None
) -> None:
    """Write JSON to a file or object.

    Raises
    ------
    WriteError
        If what is at the path is no JSON, or a file that is referred to.
    """
    url = normalize_url(path)
    target = local_path(url)
    referred = any(s.url == url for entry in references.arrays.values() for s in entry.array.manifest.sources)
    if referred or (target is not None and Path(target).is_file() and not _is_json(Path(target))):
        what = "one of the files that the references point to" if referred else "a file that holds no JSON"
        raise WriteError(f"{target or url} is {what}: it would be lost. Give another path, or remove it")
    put_parts(url, json_parts(references), as_registry(None, storage_options))


def _is_json(file: Path) -> bool:
    """Whether a file begins as references do; an empty one may become some."""
    with file.open("rb") as opened:
        return opened.read(64).lstrip()[:1] in (b"{", b"")


def put_parts(url: str, parts: Iterator[bytes], registry: StoreRegistry) -> None:
    """Write a file or object of parts, which appears whole or not at all.

    Raises
    ------
    WriteError
        If there is a folder at its place.
    """
    pass_gate(url)
    target = local_path(url)
    if target is not None and Path(target).is_dir():
        raise WriteError(
            f"{target} is a folder; expected the path of a file to write, such as {target}/references.json"
        )
    if target is None:
        import obstore

        store, key = registry.resolve(url)
        obstore.put(store, key, parts)
        return
    with replacing(Path(target)) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path beside a target to write to; it takes the target's place if the block succeeds, else it goes.

    A folder at its place is removed with all it holds: the caller has looked that this may be.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
    try:
        temporary = folder / "new"
        yield temporary
        if target.is_dir():
            target.rename(folder / "old")
        temporary.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
