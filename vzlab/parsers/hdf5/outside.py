"""Datasets that the library itself would read from other files: refused where a gate decides what may be read."""

from __future__ import annotations

from typing import Any

from vzlab.errors import AccessDeniedError
from vzlab.parsers.hdf5.library import h5py
from vzlab.storage.gate import current_gate


def refuse_outside(file_id: Any, path: str, url: str) -> None:
    """Refuse a dataset with values in other files, if there is a gate: the library opens these by itself, unasked.

    Parameters
    ----------
    file_id : h5py.h5f.FileID
    path : str
        Of the dataset, from the root of the file.
    url : str
        Of the file, for messages.

    Raises
    ------
    AccessDeniedError
        If its path leads through a link to another file, or its values lie in other files.
    KeyError
        If there is no such dataset.
    """
    if current_gate() is None:
        return
    group: Any = h5py.h5g.open(file_id, b"/")
    *above, name = path.encode("utf-8", "surrogateescape").strip(b"/").split(b"/")
    for part in above:
        _own_link(group, part, path, url)
        group = h5py.h5o.open(group, part)
    _own_link(group, name, path, url)
    # HDF5 specification IV.A.2.h, IV.A.2.i: external files, and layouts of class virtual. Neither is opened by this.
    creation = h5py.h5d.open(group, name).get_create_plist()
    if creation.get_external_count() or creation.get_layout() == h5py.h5d.VIRTUAL:
        raise _refused(path, url)


def _own_link(group: Any, name: bytes, path: str, url: str) -> None:
    if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise _refused(path, url)


def _refused(path: str, url: str) -> AccessDeniedError:
    return AccessDeniedError(
        f"{path!r} of {url} has its values in other files, or behind links, which are not loaded here. Drop it, or load it where "
        "vzlab runs without limits"
    )
