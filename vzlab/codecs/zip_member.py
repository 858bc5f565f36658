"""A member of a ZIP archive, from its local header on: stored as it is, or deflated."""

# Sections are those of PKWARE's APPNOTE.TXT, the specification of ZIP.

from __future__ import annotations

import struct
import zlib
from typing import ClassVar

from vzlab.codecs.numcodec import ArchiveCodec, ByteArray
from vzlab.errors import CodecError

STORED, DEFLATED = 0, 8
"""Compression methods (4.4.5)."""

LOCAL_HEADER_BYTES = 30

# 4.3.7: signature, version, flags, method, time, date, CRC-32, compressed size, size, length of name, of extra field.
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_SIGNATURE = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
_ENCRYPTED, _SIZES_FOLLOW = 1, 8
_IN_EXTRA = 0xFFFFFFFF


class ZipMember(ArchiveCodec):
    """A member of a ZIP archive with its local header before it, and perhaps a data descriptor behind it.

    Chunks of one array may be stored or deflated, as came out shorter: each says so itself. The checksum is verified.
    """

    codec_id: ClassVar[str] = "vzlab.zip_member"

    def _decode(self, stored: ByteArray) -> bytes:
        return unpack_member(stored.tobytes())


def unpack_member(data: bytes) -> bytes:
    """The content of a member, given its bytes from the local header on; what follows it does not matter.

    Raises
    ------
    CodecError
        If it is no member, is neither stored nor deflated, or its checksum is wrong.
    """
    if len(data) < LOCAL_HEADER_BYTES or not data.startswith(_SIGNATURE):
        raise CodecError(
            f"Found {data[:4]!r} where a member of a ZIP archive begins; expected {_SIGNATURE!r}."
        )
    _, _, flags, method, _, _, crc, packed, size, n_name, n_extra = _LOCAL_HEADER.unpack_from(data)
    if flags & _ENCRYPTED or method not in (STORED, DEFLATED):
        raise CodecError(
            f"The member of the ZIP archive is encrypted or of compression method {method}; expected {STORED} or {DEFLATED}."
        )
    start = LOCAL_HEADER_BYTES + n_name + n_extra
    if _IN_EXTRA in (packed, size):
        size, packed = _long_sizes(data[start - n_extra : start], size, packed)
    follows = bool(flags & _SIZES_FOLLOW) and not crc and not packed
    if method == DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than it says to have is enough to refuse it; nothing inflates without end.
            content = inflate.decompress(data[start:], 0 if follows else size + 1)
        except zlib.error as error:
            raise CodecError(f"The deflated member of the ZIP archive is damaged: {error}.") from error
        if not inflate.eof and (follows or len(content) <= size):
            raise CodecError(f"The deflated member of the ZIP archive breaks off after {len(content)} bytes.")
        descriptor = inflate.unused_data
    elif follows:
        length, descriptor = _stored_length(data, start)
        content = data[start : start + length]
    else:
        content, descriptor = data[start : start + packed], b""
    if follows:
        at = 4 if descriptor.startswith(_DESCRIPTOR_SIGNATURE) else 0
        crc = int.from_bytes(descriptor[at : at + 4], "little")
    elif len(content) != size:
        raise CodecError(f"The member of the ZIP archive has {len(content)} bytes; expected {size}.")
    if zlib.crc32(content) != crc:
        raise CodecError("The checksum of the member of the ZIP archive is wrong: the archive is damaged.")
    return content


def _long_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """Sizes from the extra field of ZIP64 (4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1 and length >= 16:
            return struct.unpack_from("<QQ", extra, at + 4)
        at += 4 + length
    return size, packed


def _stored_length(data: bytes, start: int) -> tuple[int, bytes]:
    """Length of a stored member whose sizes stand only in the descriptor behind it (4.3.9), and that descriptor."""
    for signature, width in ((4, 4), (0, 4), (4, 8), (0, 8)):
        length = len(data) - start - signature - 4 - 2 * width
        descriptor = data[start + max(length, 0) :]
        sizes = [
            int.from_bytes(descriptor[signature + 4 + i * width : signature + 4 + (i + 1) * width], "little")
            for i in (0, 1)
        ]
        if length >= 0 and sizes == [length, length]:
            return length, descriptor
    raise CodecError("The stored member of the ZIP archive has no descriptor that tells its length.")
