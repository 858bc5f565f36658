"""Open a TIFF file with tifffile block by block, and say clearly why one does not open."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from vzlab.errors import CorruptFileError, UnsupportedFormatError, VzlabError
from vzlab.parsers.tiff.library import tifffile
from vzlab.parsers.tiff.prefetching import prefetch_directories
from vzlab.storage import BlockReader, CachedSource, Source

MAX_PAGES = 100_000
"""A file with more directories is refused: each is a variable."""

_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What tifffile raises on directories that contradict themselves."""


class BoundedReader(BlockReader):
    """A file whose reads never ask for more than there is, so that a damaged count allocates nothing."""

    def read(self, size: int | None = -1) -> bytes:
        """Bytes from the position on, as many as there are up to `size`."""
        left = max(self._size - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        buffer = bytearray(wanted)
        n_read = self.readinto(buffer)
        return bytes(buffer[:n_read])


@contextmanager
def open_tiff(source: Source, *, multifile: bool = False) -> Iterator[Any]:
    """Open a source as a ``tifffile.TiffFile``; what the library only logs stays unsaid.

    Raises
    ------
    UnsupportedFormatError
        If it has no TIFF signature.
    CorruptFileError
        If it has one, and the library refuses the file.
    """
    head = source.read(0, min(4, source.size_bytes))
    if head not in _MARKS:
        raise UnsupportedFormatError(
            f"{source.url} is not a TIFF file: it begins with {head!r}; expected one of {_MARKS}. Open it with the parser of "
            "its own format."
        )
    with _quiet():
        try:
            file = tifffile.TiffFile(cast(Any, _place(source, multifile=multifile)), _multifile=multifile)
        except VzlabError:
            raise
        except LIBRARY_ERRORS as error:
            raise damaged(source, error) from error
        try:
            yield file
        except VzlabError:
            raise
        except LIBRARY_ERRORS as error:
            raise damaged(source, error) from error
        finally:
            file.close()


def _place(source: Source, *, multifile: bool) -> Any:
    """What tifffile opens: by its path it finds the files beside one on this machine."""
    if source.local_path is not None:
        return source.local_path if multifile else BoundedReader(source)
    kept = CachedSource(source)
    prefetch_directories(kept)
    return BoundedReader(kept, block_size=None)


def read_pages(file: Any, source: Source) -> list[Any]:
    """All directories of the main chain, in order.

    Raises
    ------
    CorruptFileError
        If there is none, one cannot be read, they form a ring, or there are more than `MAX_PAGES`.
    """
    pages: list[Any] = []
    offsets: set[int] = set()
    chain = file.pages
    while True:
        try:
            page = chain[len(pages)]
        except IndexError:
            break
        except VzlabError:
            raise
        except LIBRARY_ERRORS as error:
            raise damaged(source, error) from error
        if page.offset in offsets:
            raise CorruptFileError(
                f"{source.url}: directory {len(pages)} lies at byte {page.offset}, as an earlier one: the chain of directories "
                "is a ring. The file is damaged. Fetch it again."
            )
        offsets.add(page.offset)
        pages.append(page)
        if len(pages) > MAX_PAGES:
            raise CorruptFileError(
                f"{source.url} has more than {MAX_PAGES} directories, more than can be variables."
            )
    if not pages:
        raise CorruptFileError(f"{source.url} is a TIFF file without a directory. Fetch it again.")
    return pages


def damaged(source: Source, error: BaseException) -> CorruptFileError:
    """The error for a file that tifffile cannot read."""
    said = str(error) or type(error).__name__
    return CorruptFileError(
        f"{source.url} begins as a TIFF file, and tifffile refuses it: {said}. The file is damaged or truncated. Fetch it again."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep tifffile's log of oddities from the screen: what matters is told as errors and reasons."""
    logger = logging.getLogger("tifffile")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
