"""Files that were packed whole: unpacked in memory, up to a bound."""

from __future__ import annotations

import zlib

from vzlab.errors import CorruptFileError, MissingDependencyError

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_STEP = 1 << 20


def unpack(data: bytes, limit: int, *, url: str, whole: bool = True) -> bytes:
    """Bytes out of gzip or Zstandard; others as they are.

    Parameters
    ----------
    limit : int
        Bytes that it may become; where only a beginning is wanted, as many as are wanted.
    whole : bool
        Whether all of it is wanted; else a beginning is enough, and the data may end early.

    Raises
    ------
    CorruptFileError
        If it is damaged, or becomes longer than the limit.
    MissingDependencyError
        If it is Zstandard's, and pyarrow is not installed.
    """
    if data.startswith(_GZIP):
        unpacked = _gunzip(data, limit, url, whole=whole)
    elif data.startswith(_ZSTD):
        unpacked = _unzstd(data, limit, url, whole=whole)
    else:
        return data
    if len(unpacked) > limit:
        if not whole:
            return unpacked[:limit]
        raise CorruptFileError(
            f"{url} becomes more than {limit:,} bytes when it is unpacked: unpack it first"
        )
    return unpacked


def _gunzip(data: bytes, limit: int, url: str, *, whole: bool) -> bytes:
    parts = []
    n_bytes = 0
    while data and n_bytes <= limit:
        member = zlib.decompressobj(wbits=31)
        try:
            while not member.eof and n_bytes <= limit:
                part = member.decompress(data, _STEP)
                data = member.unconsumed_tail
                parts.append(part)
                n_bytes += len(part)
                if not part and not data:
                    break
        except zlib.error as error:
            raise CorruptFileError(f"{url} is no sound gzip file: {error}") from error
        if not member.eof and n_bytes <= limit:
            if whole:
                raise CorruptFileError(f"{url} ends before its gzip data do: fetch it again")
            break
        data = member.unused_data
        if not data.startswith(_GZIP):
            break
    return b"".join(parts)


def _unzstd(data: bytes, limit: int, url: str, *, whole: bool) -> bytes:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingDependencyError("pyarrow", extra="kerchunk", purpose="Unpacking Zstandard") from error
    parts = []
    n_bytes = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            while n_bytes <= limit and (part := stream.read(min(_STEP, limit + 1 - n_bytes))):
                parts.append(part)
                n_bytes += len(part)
    except OSError as error:
        if whole or not parts:
            raise CorruptFileError(f"{url} is no sound Zstandard file: {error}") from error
    return b"".join(parts)
