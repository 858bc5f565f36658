"""Inspect the engine's own values: virtual arrays, groups of them, and the store over a group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vzlab.inspection.build import build_inspection
from vzlab.inspection.model import Inspection, Opening, UnreadableInspection
from vzlab.inspection.subjects import SubjectGroup, subject_of_array
from vzlab.interop.virtualizarr import from_virtualizarr, is_virtualizarr
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import is_manifest_store, url_name


def handles(x: Any) -> bool:
    """Whether it is one of the engine's own values, or VirtualiZarr's counterpart of one."""
    return isinstance(x, ManifestArray | ManifestGroup) or is_manifest_store(x) or is_virtualizarr(x)


def inspect(x: Any, *, group: str | None = None, **_: Any) -> Inspection:
    """Describe a virtual array, group or store."""
    if is_virtualizarr(x):
        x = from_virtualizarr(x)
    if is_manifest_store(x):
        return inspect_group(
            x.group, kind="virtual store", group=group, open_code='zarr.open_group(store, mode="r")'
        )
    match x:
        case ManifestArray():
            name = "array"
            root = SubjectGroup(name="", path="", attributes={}, arrays=(subject_of_array(name, name, x),))
            return build_inspection(
                root,
                title=title_of(ManifestGroup(arrays={name: x}), "virtual array"),
                kind="virtual array",
                open_code="",
            )
        case ManifestGroup():
            return inspect_group(
                x,
                kind="virtual group",
                group=group,
                open_code='zarr.open_group(vz.ManifestStore(group), mode="r")',
            )
    raise TypeError(f"Found a {type(x).__name__}; expected a virtual array, group or store")


def inspect_group(
    tree: ManifestGroup,
    *,
    kind: str,
    open_code: str,
    group: str | None = None,
    title: str = "",
    own_prefix: str | None = None,
    opening: Opening | None = None,
    store: str = "",
) -> Inspection:
    """Describe a tree of virtual arrays.

    Parameters
    ----------
    tree : ManifestGroup
    kind, open_code, title, store : str
        As the fields of `Inspection`; an empty title is made from the files that chunks lie in.
    group : str, optional
        Path of the group to describe; None for the whole tree.
    own_prefix : str, optional
        As the field of `Subject`.
    opening : Opening, optional
        What parsing took.

    Raises
    ------
    KeyError
        If there is no such group.
    """
    chosen = tree[group] if group else tree
    if not isinstance(chosen, ManifestGroup):
        raise KeyError(f"{group!r} is an array; expected a group")
    return build_inspection(
        _subjects(chosen, "", "", own_prefix),
        title=title or title_of(chosen, kind),
        kind=kind,
        file_format=chosen.format or tree.format,
        index_decoder=chosen.index_decoder or tree.index_decoder,
        open_code=open_code,
        page_bytes=tree.page_bytes,
        header_bytes=tree.header_bytes,
        opening=opening,
        store=store,
    )


def title_of(group: ManifestGroup, otherwise: str) -> str:
    """Name a tree after the file that its chunks lie in, or after the number of files."""
    sources = group.sources
    if len(sources) == 1:
        return url_name(sources[0].url)
    return f"{otherwise} over {len(sources):,} files" if sources else otherwise


def _subjects(group: ManifestGroup, name: str, path: str, own_prefix: str | None) -> SubjectGroup:
    def below(child: str) -> str:
        return f"{path}/{child}" if path else child

    return SubjectGroup(
        name=name,
        path=path,
        attributes=group.attributes,
        arrays=tuple(
            replace(
                subject_of_array(key, below(key), array),
                own_prefix=own_prefix,
                max_shape=group.max_shapes.get(key),
                link=group.links.get(key, ""),
            )
            for key, array in group.arrays.items()
        ),
        groups=tuple(
            replace(_subjects(child, key, below(key), own_prefix), link=group.links.get(key, ""))
            for key, child in group.groups.items()
        ),
        unreadable=tuple(
            UnreadableInspection(
                name=key,
                path=below(key),
                reason=variable.reason,
                loadable=variable.loadable,
                dims=variable.dimension_names,
                shape=variable.shape,
                dtype=variable.dtype,
                attributes=variable.attributes,
            )
            for key, variable in group.unreadable.items()
        ),
    )
