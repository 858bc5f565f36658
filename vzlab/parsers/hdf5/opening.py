"""Open an HDF5 file with h5py, by its path or block by block, and say clearly why one does not open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vzlab.errors import CorruptFileError, UnreachableChunkError, UnsupportedFormatError, VzlabError
from vzlab.parsers.hdf5.library import h5py
from vzlab.storage import BlockReader, CachedSource, Source
from vzlab.storage.source import HEAD_BYTES

SIGNATURE = b"\x89HDF\r\n\x1a\n"

LIBRARY_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError, SystemError, NotImplementedError)
"""What h5py raises when the library or its own conversion fails."""


@contextmanager
def open_hdf5(source: Source) -> Iterator[Any]:
    """Open a source as an ``h5py.h5f.FileID``, for reading, without a lock.

    Raises
    ------
    UnsupportedFormatError
        If it has no HDF5 signature.
    CorruptFileError
        If it has one, and the library refuses the file.
    UnreachableChunkError
        If a remote file could not be read.
    """
    if source.local_path is not None:
        file_id = _open_local(source)
        failures: list[VzlabError] = []
    else:
        reader = _RememberingReader(source)
        failures = reader.failures
        fapl = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        fapl.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
        fapl.set_fileobj_driver(h5py.h5fd.fileobj_driver, reader)
        file_id = _open(repr(reader).encode(), fapl, source, failures)
    try:
        yield file_id
    except LIBRARY_ERRORS as error:
        if failures:
            raise failures[-1] from error
        raise
    finally:
        file_id.close()


def _open_local(source: Source) -> Any:
    assert source.local_path is not None
    path = source.local_path.encode("utf-8", "surrogateescape")
    # Where this process holds the file open already, the library wants it opened in the same way again.
    for locked, strong in ((False, True), (True, True), (False, False), (True, False)):
        fapl = _access_list(strong=strong)
        if not locked:
            fapl.set_file_locking(False, True)
        try:
            return h5py.h5f.open(path, h5py.h5f.ACC_RDONLY, fapl)
        except OSError as error:
            if "locking flag" not in str(error) and "close degree" not in str(error):
                raise _refusal(source, error) from error
    return _open(path, _access_list(), source, [])


def _open(name: bytes, fapl: Any, source: Source, failures: list[VzlabError]) -> Any:
    try:
        return h5py.h5f.open(name, h5py.h5f.ACC_RDONLY, fapl)
    except LIBRARY_ERRORS as error:
        if failures:
            raise failures[-1] from error
        raise _refusal(source, error) from error


def _access_list(*, strong: bool = True) -> Any:
    fapl = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    if strong:
        fapl.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    return fapl


def page_length(file_id: Any) -> int:
    """Bytes of a page, where metadata and data are on pages of their own; 0 in any other file.

    HDF5 specification IV.A.2.x, "File Space Info Message".
    """
    creation = file_id.get_create_plist()
    strategy = creation.get_file_space_strategy()[0]
    return int(creation.get_file_space_page_size()) if strategy == h5py.h5f.FSPACE_STRATEGY_PAGE else 0


def has_signature(source: Source) -> bool:
    """Whether the HDF5 signature is at byte 0, 512, 1024, ... (HDF5 specification II.A, "Format Signature")."""
    position = 0
    while position + len(SIGNATURE) <= source.size_bytes:
        if source.read(position, len(SIGNATURE)) == SIGNATURE:
            return True
        position = max(512, 2 * position)
    return False


def _refusal(source: Source, error: Exception) -> VzlabError:
    if isinstance(error, PermissionError):
        return UnreachableChunkError(f"{source.url} cannot be opened: {error.strerror}")
    if not has_signature(source):
        start = source.read(0, min(8, source.size_bytes))
        return UnsupportedFormatError(
            f"{source.url} is not an HDF5 file: it begins with {start!r}; expected the signature {SIGNATURE!r} at byte 0, "
            "512, 1024, ... Open it with the parser of its own format."
        )
    return CorruptFileError(
        f"{source.url} has the signature of HDF5, and the HDF5 library refuses it: {library_message(error)}. The file is "
        "damaged, truncated, or still being written. Fetch it again, or repair it with h5clear or h5repack."
    )


def library_message(error: BaseException) -> str:
    """The telling part of an h5py error: what the library says in the last brackets."""
    # Only a KeyError quotes its own message.
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    text = str(said).strip() or type(error).__name__
    return text[text.find("(") + 1 : -1] if text.endswith(")") and "(" in text else text


class _RememberingReader(BlockReader):
    """Keeps the errors of failed reads, which the HDF5 library replaces by its own."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, block_size=None if isinstance(source, CachedSource) else HEAD_BYTES)
        self.failures: list[VzlabError] = []

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except VzlabError as error:
            self.failures.append(error)
            raise
