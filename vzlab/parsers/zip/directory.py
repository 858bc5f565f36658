"""The central directory of a ZIP archive, read by range and decoded as columns."""

# Sections are those of PKWARE's APPNOTE.TXT, the specification of ZIP.

from __future__ import annotations

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.codecs.zip_member import DEFLATED, LOCAL_HEADER_BYTES, STORED, unpack_member
from vzlab.errors import CodecError, CorruptFileError, UnsupportedFormatError, UnvirtualizableError
from vzlab.storage import Source

MAX_DIRECTORY_BYTES = 2**30
"""A larger central directory is refused."""

METHODS = {
    1: "shrink",
    6: "implode",
    9: "deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    95: "xz",
    99: "AES",
}

# 4.3.16: end of central directory record, with a comment of up to 65,535 bytes; 4.3.15 and 4.3.14: the same of ZIP64.
_END = struct.Struct("<4s4HIIH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LONGEST_COMMENT = 65_535

# 4.3.12: central directory header, without name, extra field and comment.
_HEADER = np.dtype(
    [
        ("signature", "S4"),
        ("made_by", "<u2"),
        ("needs", "<u2"),
        ("flags", "<u2"),
        ("method", "<u2"),
        ("time", "<u2"),
        ("date", "<u2"),
        ("crc", "<u4"),
        ("packed", "<u4"),
        ("size", "<u4"),
        ("n_name", "<u2"),
        ("n_extra", "<u2"),
        ("n_comment", "<u2"),
        ("disk", "<u2"),
        ("internal", "<u2"),
        ("external", "<u4"),
        ("offset", "<u4"),
    ]
)
_IN_EXTRA = 0xFFFFFFFF
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 1, 8, 2048
_NEAR = 8192
"""Local headers closer than this are read at once."""
_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """Members of an archive as columns of shape ``(n,)``, directories left out; of a repeated name the last."""

    source: Source
    """The archive."""
    names: Sequence[str]
    positions: npt.NDArray[np.uint64]
    """First byte of the local header."""
    room: npt.NDArray[np.uint64]
    """Bytes from there to the next member or the directory: no member is longer."""
    packed: npt.NDArray[np.uint64]
    """Bytes of the content as stored."""
    sizes: npt.NDArray[np.uint64]
    """Bytes of the content."""
    methods: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint16]
    n_name: npt.NDArray[np.uint16]
    """Bytes of the name."""

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each name."""
        return {name: i for i, name in enumerate(self.names)}

    @property
    def stored(self) -> npt.NDArray[np.bool_]:
        """Which lie in the archive as they are."""
        plain: npt.NDArray[np.bool_] = (self.methods == STORED) & (self.flags & _ENCRYPTED == 0)
        return plain

    @property
    def readable(self) -> npt.NDArray[np.bool_]:
        """Which are stored, or deflated, without encryption."""
        known: npt.NDArray[np.bool_] = np.isin(self.methods, (STORED, DEFLATED)) & (
            self.flags & _ENCRYPTED == 0
        )
        return known

    def why_not(self, row: int) -> str:
        """What keeps a member from being read, in words."""
        if self.flags[row] & _ENCRYPTED:
            return "encrypted"
        method = int(self.methods[row])
        return (
            "deflated" if method == DEFLATED else f"compressed with {METHODS.get(method, f'method {method}')}"
        )

    def read(self, row: int, *, at_most: int) -> bytes:
        """The content of a small member.

        Raises
        ------
        UnvirtualizableError
            If it is neither stored nor deflated, or longer than `at_most` bytes.
        CorruptFileError
            If it does not unpack.
        """
        name = self.names[row]
        if not self.readable[row]:
            raise UnvirtualizableError(f"{name!r} in {self.source.url} is {self.why_not(row)}")
        if int(self.sizes[row]) > at_most or int(self.packed[row]) > at_most:
            raise CorruptFileError(
                f"{name!r} in {self.source.url} has {self.sizes[row]} bytes (at most {at_most})"
            )
        data = self.source.read(int(self.positions[row]), int(self.extents[row]))
        try:
            content = unpack_member(data)
        except CodecError as error:
            raise CorruptFileError(f"{name!r} in {self.source.url}: {error}") from error
        if len(content) != int(self.sizes[row]):
            raise CorruptFileError(
                f"{name!r} in {self.source.url} has {len(content)} bytes; its directory says {self.sizes[row]}"
            )
        return content

    @cached_property
    def extents(self) -> npt.NDArray[np.uint64]:
        """Bytes from the local header within which each member certainly ends."""
        # An extra field has up to 65,535 bytes, a data descriptor up to 24.
        longest = self.packed + np.uint64(LOCAL_HEADER_BYTES + 65_535 + 24) + self.n_name
        extents: npt.NDArray[np.uint64] = np.minimum(longest, self.room)
        return extents

    def content_offsets(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.uint64]:
        """First byte of the content of some members.

        Where a header without extra field and the content fill the room to the next member exactly, nothing else fits.
        Of the others the local header is read: its extra field may have another length than the directory's.

        Raises
        ------
        CorruptFileError
            If there is no member where the directory says.
        """
        starts = self.positions[rows] + np.uint64(LOCAL_HEADER_BYTES) + self.n_name[rows]
        unsure = np.flatnonzero(starts + self.packed[rows] != self.positions[rows] + self.room[rows])
        if unsure.size:
            at = rows[unsure]
            headers = _local_headers(self.source, self.positions[at])
            n_name, n_extra = (
                headers[:, i].astype(np.uint64) + (headers[:, i + 1].astype(np.uint64) << np.uint64(8))
                for i in (26, 28)
            )
            starts[unsure] = self.positions[at] + np.uint64(LOCAL_HEADER_BYTES) + n_name + n_extra
            wrong = (headers[:, :4] != np.frombuffer(b"PK\x03\x04", np.uint8)).any(axis=1) | (
                n_name != self.n_name[at]
            )
            wrong |= starts[unsure] + self.packed[at] > self.positions[at] + self.room[at]
            if wrong.any():
                first = int(at[np.flatnonzero(wrong)[0]])
                raise CorruptFileError(
                    f"{self.source.url} has no member {self.names[first]!r} at byte {self.positions[first]}, where its directory "
                    f"says ({int(wrong.sum())} are not where they should be): the archive is damaged. Fetch it again."
                )
        return starts


def _local_headers(source: Source, positions: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """The fixed part of local headers, shape ``(n, 30)``; neighbours are read at once."""
    order = np.argsort(positions)
    ordered = positions[order].astype(np.int64)
    cuts = np.flatnonzero((np.diff(ordered) > _NEAR) | (np.diff(ordered // (128 * _NEAR)) > 0)) + 1
    groups = np.split(ordered, cuts)

    def read(group: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        start = int(group[0])
        data = source.read(start, int(group[-1]) - start + LOCAL_HEADER_BYTES)
        headers: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)[
            (group - start)[:, None] + np.arange(LOCAL_HEADER_BYTES)
        ]
        return headers

    if source.local_path is not None or len(groups) == 1:
        parts = list(map(read, groups))
    else:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            parts = list(pool.map(read, groups))
    headers = np.empty((len(positions), LOCAL_HEADER_BYTES), np.uint8)
    headers[order] = np.concatenate(parts)
    return headers


def read_directory(source: Source) -> Members:
    """Read the central directory of an archive.

    Raises
    ------
    UnsupportedFormatError
        If it is no ZIP archive, or one part of several.
    CorruptFileError
        If its directory contradicts itself or the archive's length.
    """
    tail = _tail(source)
    start, length, shift = _locate(source, tail)
    if length > MAX_DIRECTORY_BYTES:
        raise CorruptFileError(f"{source.url} says that its directory has {length} bytes: it is damaged")
    behind = source.size_bytes - start  # what lies in the tail is here already
    data = tail[-behind:][:length] if behind <= len(tail) else source.read(start, length)
    heads, at = _headers(source, data)
    names = [
        _text(data[i : i + n], utf8)
        for i, n, utf8 in zip(
            (at + _HEADER.itemsize).tolist(),
            heads["n_name"].tolist(),
            (heads["flags"] & _UTF8 > 0).tolist(),
            strict=True,
        )
    ]
    packed, sizes, offsets = (heads[name].astype(np.uint64) for name in ("packed", "size", "offset"))
    _apply_long_values(source, data, at, heads, sizes, packed, offsets)
    positions = offsets + np.uint64(shift)
    if (positions >= start).any() or (packed > start).any():
        raise CorruptFileError(
            f"The directory of {source.url} puts members where it lies itself, or behind: it is damaged. Fetch it again."
        )
    places = np.unique(np.append(positions, np.uint64(start)))
    room = places[np.searchsorted(places, positions, side="right")] - positions
    last = {name: i for i, name in enumerate(names) if not name.endswith("/")}
    rows = np.fromiter(last.values(), np.intp, len(last))
    return Members(
        source=source,
        names=list(last),
        positions=positions[rows],
        room=room[rows],
        packed=packed[rows],
        sizes=sizes[rows],
        methods=heads["method"][rows].astype(np.uint16),
        flags=heads["flags"][rows].astype(np.uint16),
        n_name=heads["n_name"][rows].astype(np.uint16),
    )


def _tail(source: Source) -> bytes:
    """The last bytes of an archive, in which its end record is."""
    n_tail = min(source.size_bytes, _END.size + _LONGEST_COMMENT + _LOCATOR.size + _END64.size)
    return source.read(source.size_bytes - n_tail, n_tail)


def _locate(source: Source, tail: bytes) -> tuple[int, int, int]:
    """Where the directory begins, its length, and by how much all offsets are too low for what was put before the archive."""
    size, n_tail = source.size_bytes, len(tail)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if len(tail) - at >= _END.size and at + _END.size + _END.unpack_from(tail, at)[-1] <= len(tail):
            break
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        raise (CorruptFileError if source.read(0, min(4, size)) == b"PK\x03\x04" else UnsupportedFormatError)(
            f"{source.url} has no end record of a ZIP archive in its last {n_tail} bytes: it is no such archive, or was "
            "truncated. Fetch it again."
        )
    _, disk, of_directory, _, _, length, offset, _ = _END.unpack_from(tail, at)
    end = size - n_tail + at
    if at >= _LOCATOR.size and tail[at - _LOCATOR.size :].startswith(b"PK\x06\x07"):
        end, disk, of_directory, length, offset = _locate64(source, end - _LOCATOR.size)
    if disk != of_directory or disk not in (0, 0xFFFF):
        raise UnsupportedFormatError(
            f"{source.url} is one part of an archive that was split: join the parts first"
        )
    start = end - length
    if start < 0 or offset > start:
        raise CorruptFileError(
            f"{source.url} says that its directory of {length} bytes begins at byte {offset}, and it ends at {end}: the archive "
            "was truncated or damaged. Fetch it again."
        )
    return start, length, start - offset


def _locate64(source: Source, locator_at: int) -> tuple[int, int, int, int, int]:
    """End of the directory, numbers of disks, length and offset, as the end record of ZIP64 says them."""
    locator = source.read(locator_at, _LOCATOR.size)
    said = _LOCATOR.unpack(locator)[2]
    # Something may have been put before the archive: the record then lies right before its locator.
    for at in (said, locator_at - _END64.size):
        if not 0 <= at <= locator_at - _END64.size:
            continue
        record = _END64.unpack(source.read(at, _END64.size))
        if record[0] == b"PK\x06\x06":
            return at, record[4], record[5], record[8], record[9]
    raise CorruptFileError(
        f"{source.url} has no end record of ZIP64 at byte {said}, where it should be: it is damaged"
    )


def _headers(source: Source, data: bytes) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """All headers of the directory, and where each begins in it."""
    raw = np.frombuffer(data, np.uint8)
    n = max(len(raw) - _HEADER.itemsize + 1, 0)
    marked = np.ones(n, np.bool_)
    for i, byte in enumerate(b"PK\x01\x02"):
        marked &= raw[i : n + i] == byte
    at = np.flatnonzero(marked)
    heads = _at(raw, at)
    ends = (
        at
        + _HEADER.itemsize
        + sum(heads[name].astype(np.int64) for name in ("n_name", "n_extra", "n_comment"))
    )
    if not (at.size and at[0] == 0 and (ends[:-1] == at[1:]).all() and ends[-1] == len(raw)):
        # The mark also occurs within a header, or something follows the last: go from one to the next.
        following = dict(zip(at.tolist(), ends.tolist(), strict=True))
        chain, position = [], 0
        while position in following:
            chain.append(position)
            position = following[position]
        if position > len(raw) or (position < len(raw) and not data.startswith(b"PK\x05\x05", position)):
            raise CorruptFileError(
                f"The directory of {source.url} breaks off after {len(chain)} members, at its byte {position} of {len(raw)}: the "
                "archive is damaged. Fetch it again."
            )
        at = np.array(chain, np.int64)
        heads = _at(raw, at)
    return heads, at


def _at(raw: npt.NDArray[np.uint8], at: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    heads: npt.NDArray[Any] = raw[at[:, None] + np.arange(_HEADER.itemsize)].view(_HEADER).reshape(len(at))
    return heads


def _apply_long_values(
    source: Source,
    data: bytes,
    at: npt.NDArray[np.int64],
    heads: npt.NDArray[Any],
    sizes: npt.NDArray[np.uint64],
    packed: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.uint64],
) -> None:
    """Put in, in place, what is too long for a header and stands in the extra field of ZIP64 (4.5.3)."""
    long = np.stack([column == _IN_EXTRA for column in (sizes, packed, offsets)])
    rows = np.flatnonzero(long.any(axis=0))
    if not rows.size:
        return
    raw = np.frombuffer(data + bytes(32), np.uint8)
    fields = at[rows] + _HEADER.itemsize + heads["n_name"][rows].astype(np.int64)
    marks = raw[fields[:, None] + np.arange(4)].view("<u2")
    ends = fields + heads["n_extra"][rows].astype(np.int64)
    for i in np.flatnonzero(marks[:, 0] != 1).tolist():  # mostly it is the first field
        while fields[i] + 4 <= ends[i] and int.from_bytes(data[fields[i] : fields[i] + 2], "little") != 1:
            fields[i] += 4 + int.from_bytes(data[fields[i] + 2 : fields[i] + 4], "little")
    cursor = fields + 4
    if (cursor + 8 * long[:, rows].sum(axis=0) > ends).any():
        raise CorruptFileError(
            f"The directory of {source.url} lacks sizes that it should have: it is damaged"
        )
    for column, is_long in zip((sizes, packed, offsets), long[:, rows], strict=True):
        column[rows[is_long]] = raw[cursor[is_long][:, None] + np.arange(8)].view("<u8")[:, 0]
        cursor = cursor + 8 * is_long


def _text(name: bytes, utf8: bool) -> str:
    """A name; without the mark of UTF-8 it should be in code page 437 (appendix D), and is often UTF-8 all the same."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("utf-8", "surrogateescape") if utf8 else name.decode("cp437")
