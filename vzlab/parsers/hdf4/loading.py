"""Values of one scientific dataset as pyhdf reads them, for those that no reference can express."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from vzlab.errors import MissingDependencyError, UnvirtualizableError
from vzlab.parsers.base import LoadedVariable
from vzlab.storage import Source

try:
    from pyhdf.error import HDF4Error
    from pyhdf.SD import SD, SDC
except ImportError as error:
    raise MissingDependencyError(
        "pyhdf", extra="hdf4", purpose="Loading what is compressed by HDF4's own coders"
    ) from error

MAX_FETCHED_BYTES = 2**31
"""HDF4 files are no longer; one that is not on this machine is fetched whole, since the library reads only files."""


def load_dataset(source: Source, place: tuple[int, str], path: str) -> LoadedVariable:
    """Read a dataset by its number in the file and its name.

    Raises
    ------
    UnvirtualizableError
        If the library cannot read it.
    """
    number, name = place
    with _local(source) as file_path:
        try:
            file = SD(file_path, SDC.READ)
            try:
                dataset = file.select(number)
                found = dataset.info()[0]
                if found != name:
                    raise UnvirtualizableError(f"pyhdf finds {found!r} where {source.url} has {path!r}.")
                values = np.asarray(dataset.get())
                attributes = dict(dataset.attributes())
                names = tuple(dataset.dim(axis).info()[0] for axis in range(values.ndim))
            finally:
                file.end()
        except (HDF4Error, ValueError, TypeError) as error:
            raise UnvirtualizableError(
                f"{path!r} of {source.url} cannot be read by pyhdf: {error}."
            ) from error
    return LoadedVariable(values=values, attributes=attributes, dimension_names=names)


@contextmanager
def _local(source: Source) -> Iterator[str]:
    """The path of a file on this machine with a source's bytes."""
    if source.local_path is not None:
        yield source.local_path
        return
    if source.size_bytes > MAX_FETCHED_BYTES:
        raise UnvirtualizableError(f"{source.url} has {source.size_bytes} bytes, too many to fetch whole.")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file.hdf"
        path.write_bytes(source.read(0, source.size_bytes))
        yield str(path)
