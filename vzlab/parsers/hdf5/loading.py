"""Values of one dataset as h5py reads them, for variables that no reference can express."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import UnvirtualizableError
from vzlab.parsers.base import LoadedVariable
from vzlab.parsers.hdf5.attributes import attribute_names, decode_text, read_attributes
from vzlab.parsers.hdf5.library import h5py, register_plugins
from vzlab.parsers.hdf5.opening import LIBRARY_ERRORS, library_message

_ORIGIN = b"${ORIGIN}"


def load_dataset(file_id: Any, path: str, url: str) -> LoadedVariable:
    """Read a whole dataset.

    Parameters
    ----------
    file_id : h5py.h5f.FileID
    path : str
        From the root of the file.
    url : str
        Of the file, for messages.

    Raises
    ------
    KeyError
        If there is no such dataset.
    UnvirtualizableError
        If the library cannot read it.
    """
    register_plugins()
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    # Sources lie beside the file that names them, whatever directory this process is in.
    access.set_efile_prefix(_ORIGIN)
    access.set_virtual_prefix(_ORIGIN)
    name = path.encode("utf-8", "surrogateescape")
    try:
        # By itself and before: listing attributes opens the dataset again, and the library wants all prefixes of one alike.
        attributes = _attributes(file_id, name)
        dataset_id = h5py.h5d.open(file_id, name, access)
    except KeyError as error:
        raise KeyError(f"{url} has no dataset {path!r}") from error
    except LIBRARY_ERRORS as error:
        raise UnvirtualizableError(f"{path!r} of {url} cannot be opened: {library_message(error)}") from error
    try:
        values = np.asarray(h5py.Dataset(dataset_id)[()])
        if values.dtype.kind == "O":
            values = _plain_objects(values, file_id)
    except LIBRARY_ERRORS as error:
        raise UnvirtualizableError(f"{path!r} of {url} cannot be read: {library_message(error)}") from error
    return LoadedVariable(values=values, attributes=attributes, dimension_names=None)


def _attributes(file_id: Any, name: bytes) -> dict[str, Any]:
    dataset_id = h5py.h5d.open(file_id, name)
    return read_attributes(dataset_id, file_id, attribute_names(dataset_id))


def filters_available(creation: Any) -> bool:
    """Whether the library has every filter of a dataset creation property list, so that `load_dataset` can read it."""
    register_plugins()
    return bool(creation.all_filters_avail())


def _plain_objects(values: npt.NDArray[Any], file_id: Any) -> npt.NDArray[Any]:
    """Strings as `str`, references as paths of what they point to; sequences stay as they are."""
    plain = np.empty(values.shape, dtype=object)
    plain.reshape(-1)[:] = [_plain(item, file_id) for item in values.reshape(-1)]
    return plain


def _plain(item: Any, file_id: Any) -> Any:
    if isinstance(item, bytes):
        return decode_text(item)
    if isinstance(item, h5py.Reference):
        name = h5py.h5r.get_name(item, file_id) if item else None
        return None if name is None else name.decode("utf-8", "surrogateescape")
    return item
