"""Inspect zarr-python's groups, arrays and stores from their metadata, and a listing where that is on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import zarr
from zarr.abc.store import Store

from vzlab.errors import UnsupportedCodecError
from vzlab.inspection.build import build_inspection
from vzlab.inspection.from_manifests import inspect_group
from vzlab.inspection.model import Inspection
from vzlab.inspection.subjects import Subject, SubjectGroup, name_dtype, subject_of_array, subject_of_metadata
from vzlab.inspection.zarr_chunks import manifests_of
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray
from vzlab.storage import ManifestStore, url_name


def handles(x: Any) -> bool:
    """Whether it is a zarr group, array or store."""
    return isinstance(x, zarr.Group | zarr.Array | Store)


def inspect(x: Any, *, group: str | None = None, **_: Any) -> Inspection:
    """Describe a zarr object by its metadata.

    A group lists its members, as ``zarr.Group.tree`` does: with consolidated metadata that reads nothing, without it
    the metadata of each member. Chunks are listed in a directory, an archive and in memory; a remote store is not asked.
    """
    if isinstance(x, Store):
        x = zarr.open(x, mode="r")
    if isinstance(x, zarr.Array):
        return _inspect_array(x)
    if group:
        x = x[group]
        if not isinstance(x, zarr.Group):
            raise KeyError(f"{group!r} is an array; expected a group")
    store = x.store
    if isinstance(store, ManifestStore):
        return inspect_group(
            store.group,
            kind="Zarr group over references",
            group=x.path,
            open_code=_open_code("group", x),
            store=_store(x),
        )
    members = dict(_members(x))
    arrays = [node for below in members.values() for _, node in below if isinstance(node, zarr.Array)]
    return build_inspection(
        _subjects(x, x.path, members, manifests_of(arrays)),
        title=_title(x),
        kind="Zarr group",
        file_format=f"Zarr v{x.metadata.zarr_format}",
        open_code=_open_code("group", x),
        store=_store(x),
    )


def subject_of_zarr(name: str, path: str, array: Any) -> Subject:
    """Describe a zarr array, with its references where they are at hand, or its chunks where those are on this machine."""
    virtual = array.store.group[array.path] if isinstance(array.store, ManifestStore) else None
    if isinstance(virtual, ManifestArray):
        return subject_of_array(name, path, virtual)
    return _subject(name, path, array, manifests_of([array]))


def _inspect_array(array: Any) -> Inspection:
    name = array.path.rpartition("/")[2] or "array"
    subject = subject_of_zarr(name, name, array)
    return build_inspection(
        SubjectGroup(name="", path="", attributes={}, arrays=(subject,)),
        title=_title(array),
        kind="Zarr array",
        file_format=f"Zarr v{array.metadata.zarr_format}",
        open_code=_open_code("array", array),
        store=_store(array),
    )


def _store(node: Any) -> str:
    """``LocalStore, read-only``, as zarr's own ``info`` says it."""
    return f"{type(node.store).__name__}, {'read-only' if node.read_only else 'writable'}"


def _title(node: Any) -> str:
    return node.path.rpartition("/")[2] or url_name(str(node.store)) or "Zarr"


def _open_code(kind: str, node: Any) -> str:
    path = f", path={node.path!r}" if node.path else ""
    return f'import zarr\n\nzarr.open_{kind}(store{path}, mode="r")'


type _Members = Mapping[str, list[tuple[str, Any]]]
"""By the path of each group: names and nodes directly in it."""


def _members(group: Any) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The members of a group and of those below it, each asked for once."""
    below = list(group.members())
    yield group.path, below
    for _, member in below:
        if isinstance(member, zarr.Group):
            yield from _members(member)


def _subjects(
    group: Any, root: str, members: _Members, manifests: Mapping[str, ChunkManifest]
) -> SubjectGroup:
    arrays, groups = [], []
    for name, member in members[group.path]:
        if isinstance(member, zarr.Array):
            arrays.append(_subject(name, _below(member.path, root), member, manifests))
        else:
            groups.append(_subjects(member, root, members, manifests))
    return SubjectGroup(
        name=group.path.rpartition("/")[2] if group.path != root else "",
        path=_below(group.path, root),
        attributes=dict(group.attrs),
        arrays=tuple(arrays),
        groups=tuple(groups),
    )


def _below(path: str, root: str) -> str:
    return path[len(root) :].strip("/")


def _subject(name: str, path: str, array: Any, manifests: Mapping[str, ChunkManifest]) -> Subject:
    return replace(_described(name, path, array), manifest=manifests.get(array.path))


def _described(name: str, path: str, array: Any) -> Subject:
    metadata = array.metadata
    if metadata.zarr_format == 3:
        try:
            return subject_of_metadata(name, path, ArrayMetadata.from_dict(metadata.to_dict()), held="stored")
        except ValueError:
            # A chunk grid that the engine has no name for: the rest can be told all the same.
            codecs: tuple[Any, ...] | None = tuple(codec.to_dict() for codec in metadata.codecs)
    else:
        codecs = _v2_codecs(metadata)
    dims = getattr(metadata, "dimension_names", None) or dict(array.attrs).get("_ARRAY_DIMENSIONS")
    return Subject(
        name=name,
        path=path,
        held="stored",
        dims=tuple(dims) if dims else (None,) * array.ndim,
        shape=tuple(array.shape),
        dtype=array.dtype,
        dtype_name=name_dtype(array.dtype),
        attributes={key: value for key, value in dict(array.attrs).items() if key != "_ARRAY_DIMENSIONS"},
        codecs=codecs,
        chunks=tuple(metadata.chunks) if metadata.zarr_format == 2 else None,
        fill=array.fill_value,
    )


def _v2_codecs(metadata: Any) -> tuple[Any, ...] | None:
    from vzlab.codecs import from_v2

    document = metadata.to_dict()
    try:
        return from_v2(
            document["dtype"],
            [codec if isinstance(codec, dict) else codec.get_config() for codec in document["filters"] or ()],
            document["compressor"]
            and getattr(document["compressor"], "get_config", lambda: document["compressor"])(),
            order=document["order"],
            n_dimensions=len(document["shape"]),
        )
    except UnsupportedCodecError:
        return None
