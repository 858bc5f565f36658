"""L1, L3, L4 and L5: regions of both sides, read and held against each other one at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import VzlabError
from vzlab.manifests.manifest import INLINE
from vzlab.testing.arrangement import Arrangement, Piece
from vzlab.testing.causes import why_decoded_differ, why_stored_differ
from vzlab.testing.comparison import Finding
from vzlab.testing.difference import Difference, compare_arrays, show_value
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.oracles import NoOracleError, Region
from vzlab.testing.record import Record
from vzlab.testing.rounding import is_wider_arithmetic, without_rounding
from vzlab.testing.sampling import Block
from vzlab.testing.snippets import bytes_snippet, values_snippet
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable

_COPIES = 8
"""Arrays of the size of a region that are held at once: both sides, their masks, what decoding makes."""


@dataclass(eq=False, kw_only=True)
class Comparer:
    """Reads pieces of both sides and reports where they differ."""

    virtual: VirtualSide
    native: NativeFiles
    arrangement: Arrangement
    record: Record
    memory_limit: int
    """Bytes that one pair of regions may take."""

    # -- L1 ---------------------------------------------------------------------------------------------------------

    def check_coordinate(self, variable: VirtualVariable) -> None:
        """Compare all values of a coordinate with every native file."""
        path = variable.path
        holders = self.native.holders(path)
        files = [""] if self.arrangement.is_joined(path) else holders
        decoded = not variable.has_stored_values or self._decodes(path, holders[0])
        checked = total = 0
        for file, region in itertools.product(files, self._regions(variable)):
            n = math.prod(part.stop - part.start for part in region)
            total += n
            checked += n * self._compare("L1", variable, region, None, file, decoded=decoded)
        self.record.cover("L1", checked, total, "elements")
        for axis in range(len(variable.shape)):
            joined = self.arrangement.axis(path, axis)
            if joined is not None and joined.reordered and joined.by == path:
                self.record.find(
                    Finding(
                        level="L1",
                        variable=path,
                        message="order: the virtual coordinate has the native values in another order",
                        cause="files were combined in another order than their coordinate's",
                    )
                )

    def _decodes(self, path: str, file: str) -> bool:
        """Whether xarray opens a variable on both sides; some HDF5 has a structure that it refuses."""
        nothing = tuple(slice(0, 0) for _ in self.native.variables[file][path].shape)
        for read, side in (
            (self.native[file].read_decoded, "natively"),
            (self.virtual.read_decoded, "virtually"),
        ):
            try:
                read(path, nothing)
            except Exception as error:  # noqa: BLE001 - whatever xarray or its engines raise
                reason = f"xarray does not read it {side} ({_first_line(error)})"
                self.record.note(f"L1 {path} is compared as stored: {reason}")
                return False
        return True

    def _regions(self, variable: VirtualVariable) -> Iterator[Region]:
        """A variable cut into regions that fit into memory, whole chunks where they do."""
        lengths = [max(n, 1) for n in variable.shape]
        limit = max(self.memory_limit // (_COPIES * max(variable.dtype.itemsize, 8)), 1)
        while math.prod(lengths) > limit:
            longest = max(
                range(len(lengths)), key=lambda axis: lengths[axis] / variable.grid.chunk_shape[axis]
            )
            chunk = variable.grid.chunk_shape[longest]
            half = lengths[longest] // 2
            lengths[longest] = max(half // chunk * chunk, 1) if half >= chunk else max(half, 1)
            if all(n == 1 for n in lengths):
                break
        starts = [range(0, size, n) for size, n in zip(variable.shape, lengths, strict=True)]
        for corner in itertools.product(*starts):
            yield tuple(
                slice(start, min(start + n, size))
                for start, n, size in zip(corner, lengths, variable.shape, strict=True)
            )

    # -- L3, L4, L5 -------------------------------------------------------------------------------------------------

    def check_chunk(
        self, variable: VirtualVariable, index: tuple[int, ...], file: str, levels: set[str]
    ) -> bool:
        """Compare one chunk on the levels given; gives whether it differs on any."""
        region = variable.grid.region(index)
        before = self.record.n_found
        if "L3" in levels:
            self._compare_bytes(variable, index, region, file)
        stored_before = self.record.n_found
        if "L4" in levels:
            checked = self._compare("L4", variable, region, index, file, decoded=False)
            self.record.cover("L4", int(checked), 0, "chunks")
        stored_differ = self.record.n_found > stored_before if "L4" in levels else None
        if "L5" in levels:
            checked = self._compare(
                "L5", variable, region, index, file, decoded=True, stored_differ=stored_differ
            )
            self.record.cover("L5", int(checked), 0, "chunks")
        return self.record.n_found > before

    def n_with_stored_bytes(self, variable: VirtualVariable, blocks: Sequence[Block]) -> int:
        """How many chunks are stored on both sides as one and the same chunk, so that their bytes compare."""
        manifest = variable.manifest
        n = 0
        for block in blocks:
            if block.file and self._is_aligned(variable, block.file):
                n += block.n_chunks
                if manifest is not None and manifest.n_virtual < manifest.n_chunks:
                    states = manifest.source_index[
                        np.ix_(*block.chunk_indices) if block.chunk_indices else ()
                    ]
                    n -= int(np.count_nonzero(states >= INLINE))
        return n

    def _is_aligned(self, variable: VirtualVariable, file: str) -> bool:
        """Whether a native file has chunks of the shape of the virtual ones."""
        chunks = self.native.variables[file][variable.path].chunks
        ours = variable.grid.chunk_shape
        new = [
            axis
            for axis in range(len(variable.shape))
            if (joined := self.arrangement.axis(variable.path, axis)) is not None and joined.is_new
        ]
        return chunks == tuple(n for axis, n in enumerate(ours) if axis not in new)

    def fits(self, variable: VirtualVariable, index: tuple[int, ...]) -> bool:
        """Whether a chunk, which is decoded whole, fits into the memory allowed."""
        itemsize = max(variable.dtype.itemsize, 8)
        return math.prod(variable.grid.stored_shape(index)) * itemsize * 3 <= self.memory_limit

    def _compare_bytes(
        self, variable: VirtualVariable, index: tuple[int, ...], region: Region, file: str
    ) -> None:
        path = variable.path
        pieces = list(self.arrangement.pieces(path, region, file))
        if len(pieces) != 1 or not pieces[0].file or not self.virtual.is_virtual_chunk(path, index):
            return
        piece = pieces[0]
        described = self.native.variables[piece.file][path]
        stored_shape = variable.grid.stored_shape(index)
        stored_shape = tuple(n for axis, n in enumerate(stored_shape) if axis not in piece.expand)
        if described.chunks != stored_shape or any(
            part.start % chunk for part, chunk in zip(piece.region, described.chunks, strict=True)
        ):
            return
        native_index = tuple(
            part.start // chunk for part, chunk in zip(piece.region, described.chunks, strict=True)
        )
        try:
            theirs = self.native[piece.file].stored_chunk(path, native_index)
            ours = self.virtual.read_stored(path, index)
        except Exception as error:  # noqa: BLE001 - whatever storage raises is the finding
            self._unreadable("L3", variable, index, region, piece, error)
            return
        self.record.cover("L3", 1, 0, "chunks")
        if ours == theirs:
            return
        at, virtual_value, native_value = _first_byte(ours, theirs)
        source, offset, length = self.virtual.reference(path, index)
        self.record.find(
            Finding(
                level="L3",
                variable=path,
                message=f"bytes: the stored bytes of the chunk differ, first at byte {at}",
                virtual_value=virtual_value,
                native_value=native_value,
                file=piece.file,
                chunk=index,
                source=source,
                offset=offset,
                length=length,
                snippet=bytes_snippet(piece, source, offset, length),
            )
        )

    def _compare(
        self,
        level: str,
        variable: VirtualVariable,
        region: Region,
        index: tuple[int, ...] | None,
        file: str,
        *,
        decoded: bool,
        stored_differ: bool | None = None,
    ) -> bool:
        """Compare a region with every native file it lies in; gives whether it could be compared."""
        path = variable.path
        read = self.virtual.read_decoded if decoded else self.virtual.read_raw
        try:
            ours = read(path, region)
        except Exception as error:  # noqa: BLE001 - whatever a reader raises on the virtual side is the finding
            piece = next(self.arrangement.pieces(path, region, file))
            self._unreadable(level, variable, index, region, piece, error)
            return False
        compared = True
        for piece in self.arrangement.pieces(path, region, file):
            part = ours[piece.inner] if piece.inner else ours
            if not piece.file:
                self._check_fill(level, variable, part, piece, region, index, decoded=decoded)
                continue
            try:
                theirs = self._read_native(piece, decoded=decoded)
            except Exception as error:  # noqa: BLE001 - a native reader that fails leaves this unverified
                self._not_native(level, path, piece.file, error)
                compared = False
                continue
            if part.shape != theirs.shape:
                self.record.find(
                    self._finding(
                        level,
                        variable,
                        piece,
                        region,
                        index,
                        f"shape: {part.shape}, and {theirs.shape} natively",
                    )
                )
                continue
            if decoded and is_wider_arithmetic(part, theirs, variable.attributes):
                part = without_rounding(part, theirs, variable.attributes)
                self.record.note(
                    f"{level} {path} is packed with numbers of float32, which JSON cannot say: it decodes to float64 here and "
                    "to float32 natively, and is compared up to the rounding of float32"
                )
            difference = compare_arrays(part, theirs)
            self._note_bits(level, path, difference)
            if difference.n_differing:
                cause = self._cause(level, variable, piece, part, theirs, difference, index, stored_differ)
                self.record.find(
                    self._value_finding(level, variable, piece, region, index, difference, cause)
                )
        return compared

    def _read_native(self, piece: Piece, *, decoded: bool) -> npt.NDArray[Any]:
        file = self.native[piece.file]
        values = (file.read_decoded if decoded else file.read)(piece.path, piece.region)
        return np.expand_dims(values, piece.expand) if piece.expand else values

    # -- reporting --------------------------------------------------------------------------------------------------

    def _cause(
        self,
        level: str,
        variable: VirtualVariable,
        piece: Piece,
        ours: npt.NDArray[Any],
        theirs: npt.NDArray[Any],
        difference: Difference,
        index: tuple[int, ...] | None,
        stored_differ: bool | None,
    ) -> str:
        if level == "L4":
            return why_stored_differ(
                ours,
                theirs,
                difference,
                fill=getattr(variable.array, "fill_value", None),
                is_missing=index is not None
                and self.virtual.reference(variable.path, index)[0] == "(missing)",
                neighbour=lambda step: self._neighbour(variable, piece, step),
            )
        described = self.native.variables[piece.file][variable.path]
        cause = why_decoded_differ(
            difference, variable.attributes, described.attributes, stored_differ=stored_differ
        )
        return cause or ("coordinates of another grid or time" if level == "L1" else "")

    def _neighbour(
        self, variable: VirtualVariable, piece: Piece, step: tuple[int, ...]
    ) -> npt.NDArray[Any] | None:
        """Native values some chunks away within the same file."""
        shape = self.native.variables[piece.file][variable.path].shape
        moves = [n for axis, n in enumerate(step) if axis not in piece.expand]
        chunks = [n for axis, n in enumerate(variable.grid.chunk_shape) if axis not in piece.expand]
        region = []
        for part, move, chunk, size in zip(piece.region, moves, chunks, shape, strict=True):
            start = part.start + move * chunk
            stop = part.stop + move * chunk
            if start < 0 or stop > size:
                return None
            region.append(slice(start, stop))
        try:
            values = self.native[piece.file].read(piece.path, tuple(region))
        except Exception:  # noqa: BLE001 - a neighbour that cannot be read explains nothing
            return None
        return np.expand_dims(values, piece.expand) if piece.expand else values

    def _check_fill(
        self,
        level: str,
        variable: VirtualVariable,
        ours: npt.NDArray[Any],
        piece: Piece,
        region: Region,
        index: tuple[int, ...] | None,
        *,
        decoded: bool,
    ) -> None:
        """Where no native file has anything, only fill may be read."""
        if decoded or not variable.has_stored_values or variable.is_coordinate:
            return
        expected = np.full(ours.shape, variable.array.fill_value, dtype=ours.dtype)
        difference = compare_arrays(ours, expected)
        if difference.n_differing:
            self.record.find(
                self._value_finding(
                    level, variable, piece, region, index, difference, "values where no native file has any"
                )
            )

    def _note_bits(self, level: str, path: str, difference: Difference) -> None:
        if difference.n_nan_payloads:
            self.record.note(
                f"{level} {path}: NaNs of {difference.n_nan_payloads} elements carry other payload bits"
            )
        if difference.n_signed_zeros:
            self.record.note(
                f"{level} {path}: zeros of {difference.n_signed_zeros} elements have another sign"
            )

    def _not_native(self, level: str, path: str, file: str, error: Exception) -> None:
        if isinstance(error, NoOracleError):
            self.record.impossible(level, path, str(error))
        elif level == "L5":
            self.record.impossible(
                level, path, f"xarray does not read it natively from {file}: {_first_line(error)}"
            )
        else:
            self.record.gap(
                level, path, f"the native reader fails on {file}: {_first_line(error)}{_advice(error)}"
            )

    def _unreadable(
        self,
        level: str,
        variable: VirtualVariable,
        index: tuple[int, ...] | None,
        region: Region,
        piece: Piece,
        error: Exception,
    ) -> None:
        if level == "L5" and variable.decoded is None and not isinstance(error, VzlabError | OSError):
            try:
                self.virtual.read_raw(variable.path, region)
            except Exception:  # noqa: BLE001, S110 - stored values fail as well: it is the virtual side
                pass
            else:
                self.record.impossible(
                    level, variable.path, f"xarray does not read it virtually: {_first_line(error)}"
                )
                return
        if piece.file:
            try:
                self._read_native(piece, decoded=False)
            except Exception as native_error:  # noqa: BLE001 - what neither side reads is no difference
                reason = f"neither side reads it: {_first_line(error)}; natively: {_first_line(native_error)}"
                self.record.gap(level, variable.path, reason)
                return
        cause = (
            "a source that cannot be reached, or is shorter than its references"
            if isinstance(error, OSError)
            else "codec"
        )
        self.record.find(
            self._finding(
                level, variable, piece, region, index, f"unreadable: {_first_line(error)}", cause=cause
            )
        )

    def _value_finding(
        self,
        level: str,
        variable: VirtualVariable,
        piece: Piece,
        region: Region,
        index: tuple[int, ...] | None,
        difference: Difference,
        cause: str,
    ) -> Finding:
        assert difference.index is not None
        corner = tuple(part.start + inner.start for part, inner in zip(region, piece.inner, strict=True))
        at = tuple(a + b for a, b in zip(corner, difference.index, strict=True))
        share = f"{difference.n_differing:,} of {difference.n_elements:,} values differ"
        return self._finding(
            level,
            variable,
            piece,
            region,
            index,
            f"values: {share}",
            cause=cause,
            at=at,
            virtual_value=difference.virtual_value,
            native_value=difference.native_value,
        )

    def _finding(
        self,
        level: str,
        variable: VirtualVariable,
        piece: Piece,
        region: Region,
        index: tuple[int, ...] | None,
        message: str,
        *,
        cause: str = "",
        at: tuple[int, ...] | None = None,
        virtual_value: str = "",
        native_value: str = "",
    ) -> Finding:
        if index is None and at is not None and variable.manifest is not None:
            index = tuple(variable.grid.locate(axis, position) for axis, position in enumerate(at))
        source, offset, length = (
            ("", None, None) if index is None else self.virtual.reference(variable.path, index)
        )
        return Finding(
            level=level,
            variable=variable.path,
            message=message,
            cause=cause,
            index=at,
            virtual_value=virtual_value,
            native_value=native_value,
            file=piece.file,
            chunk=index,
            source=source,
            offset=offset,
            length=length,
            snippet=values_snippet(piece, region, decoded=level in {"L1", "L5"}),
        )


def _first_byte(ours: bytes | None, theirs: bytes | None) -> tuple[int, str, str]:
    if ours is None or theirs is None:
        return 0, _size(ours), _size(theirs)
    n = min(len(ours), len(theirs))
    left, right = np.frombuffer(ours[:n], np.uint8), np.frombuffer(theirs[:n], np.uint8)
    differ = np.flatnonzero(left != right)
    if len(differ) == 0:
        return n, f"{len(ours)} bytes", f"{len(theirs)} bytes"
    at = int(differ[0])
    return at, show_value(f"{ours[at]:#04x}"), show_value(f"{theirs[at]:#04x}")


def _size(data: bytes | None) -> str:
    return "nothing" if data is None else f"{len(data)} bytes"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _advice(error: Exception) -> str:
    text = str(error).lower()
    return " (pip install hdf5plugin)" if "filter" in text or "plugin" in text else ""
