"""Whether a DMR++ document describes the file that its chunks lie in, where HDF5 itself can be asked."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vzlab.manifests import ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.manifests.manifest import INLINE
from vzlab.storage import local_path
from vzlab.storage.gate import pass_gate

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def without_strangers(group: ManifestGroup) -> ManifestGroup:
    """The tree with every variable refused of which a local HDF5 file has the first chunk elsewhere.

    A document that was made for another version of its file leads to other bytes, and nothing else would say so. One chunk
    of each variable is looked up, in files of this machine alone. What HDF5 never fills reads as 0, whatever the document says.
    """
    if find_spec("h5py") is None:
        return group
    import h5py

    for source in group.sources:
        pass_gate(source.url)
    paths = {source.url: local_path(source.url) for source in group.sources}
    with ExitStack() as stack:
        files = {
            url: stack.enter_context(h5py.File(path))
            for url, path in paths.items()
            if path is not None and _is_hdf5(Path(path))
        }
        return _checked(group, files, "") if files else group


def _is_hdf5(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def _checked(group: ManifestGroup, files: dict[str, Any], path: str) -> ManifestGroup:
    arrays, unreadable = {}, dict(group.unreadable)
    for name, array in group.arrays.items():
        full = str(array.metadata.attributes.get("fullnamepath", path + name))
        reason = _strange(array, files, full)
        if reason is None:
            arrays[name] = _as_filled(array, files, full)
        else:
            unreadable[name] = UnreadableVariable(
                reason=reason,
                loadable=False,
                shape=array.shape,
                dtype=str(array.dtype),
                dimension_names=array.metadata.dimension_names,
                attributes=array.metadata.attributes,
            )
    groups = {name: _checked(below, files, f"{path}{name}/") for name, below in group.groups.items()}
    return replace(group, arrays=arrays, groups=groups, unreadable=unreadable)


def _as_filled(array: ManifestArray, files: dict[str, Any], name: str) -> ManifestArray:
    """With 0 for what was never written, where the file says that its fill value is never written either."""
    import h5py

    if not array.manifest.n_missing or array.dtype.kind not in "iuf" or len(files) != 1:
        return array
    (file,) = files.values()
    try:
        creation = file[name].id.get_create_plist()
    except (KeyError, OSError, RuntimeError, AttributeError, ValueError):
        return array
    if creation.get_fill_time() != h5py.h5d.FILL_TIME_NEVER:
        return array
    return replace(array, metadata=replace(array.metadata, fill_value=array.dtype.type(0).item()))


def _strange(array: ManifestArray, files: dict[str, Any], name: str) -> str | None:
    """What is wrong with the first chunk, if it lies in one of the files; None too where HDF5 has nothing to compare."""
    manifest = array.manifest
    virtual = np.argwhere(manifest.source_index < np.uint32(INLINE))
    if not len(virtual):
        return None
    index = tuple(virtual[0].tolist())
    reference = manifest.reference(index)
    assert reference.source is not None
    file = files.get(reference.source.url)
    if file is None:
        return None
    try:
        dataset = file[name]
        if dataset.chunks is None:
            place = dataset.id.get_offset() if not any(index) else None
        else:
            corner = tuple(i * n for i, n in zip(index, dataset.chunks, strict=True))
            place = dataset.id.get_chunk_info_by_coord(corner).byte_offset
    except (KeyError, OSError, RuntimeError, AttributeError, ValueError):
        return None
    if place in (None, reference.offset, reference.offset - file.userblock_size):
        return None
    return (
        f"The document says that chunk {index} begins at byte {reference.offset} of {reference.source.url}, where HDF5 has it "
        f"at {place}: it was made for another version of the file. Make it again, or open the file itself."
    )
