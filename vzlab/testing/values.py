"""L4 and L5: regions of both sides, read and held against each other one at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.cf import packing_of
from vzlab.errors import VzlabError, first_line
from vzlab.oracles import NoOracleError, Region
from vzlab.testing.allowances import (
    is_unmasked_text,
    is_wider_arithmetic,
    with_masked_text,
    without_rounding,
)
from vzlab.testing.arrangement import Arrangement, Piece
from vzlab.testing.causes import why_decoded_differ, why_stored_differ
from vzlab.testing.comparison import Finding
from vzlab.testing.difference import Difference, compare_arrays
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.record import Record
from vzlab.testing.reencoded import ENCODED_ANEW, without_reencoding
from vzlab.testing.snippets import values_snippet
from vzlab.testing.stored_bytes import check_stored_bytes
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable

MAX_KEPT_BYTES = 2**20
"""What the virtual side reads of a variable that every file has whole is kept for the next file if it takes no more."""


@dataclass(eq=False, kw_only=True)
class Comparer:
    """Reads pieces of both sides and reports where they differ."""

    virtual: VirtualSide
    native: NativeFiles
    arrangement: Arrangement
    record: Record
    memory_limit: int
    """Bytes that regions under comparison may take."""
    tolerances: Mapping[str, float] = field(default_factory=dict)
    """By how much numbers of a variable may differ, in stored units."""
    _kept: dict[tuple[str, bool], tuple[Region, npt.NDArray[Any]]] = field(init=False, default_factory=dict)

    # -- L3, L4, L5 -------------------------------------------------------------------------------------------------

    def check_chunk(
        self, variable: VirtualVariable, index: tuple[int, ...], file: str, levels: set[str]
    ) -> bool:
        """Compare one chunk on the levels given; gives whether it differs on any."""
        region = variable.grid.region(index)
        before = self.record.n_found
        if "L3" in levels:
            check_stored_bytes(self, variable, index, region, file)
        stored_before = self.record.n_found
        if "L4" in levels:
            checked = self.compare_region("L4", variable, region, index, file, decoded=False)
            self.record.cover("L4", int(checked), 0, "chunks")
        stored_differ = self.record.n_found > stored_before if "L4" in levels else None
        if "L5" in levels:
            checked = self.compare_region(
                "L5", variable, region, index, file, decoded=True, stored_differ=stored_differ
            )
            self.record.cover("L5", int(checked), 0, "chunks")
        return self.record.n_found > before

    def fits(self, variable: VirtualVariable, index: tuple[int, ...] | None = None) -> bool:
        """Whether a chunk, or any chunk, which is decoded whole, fits into the memory allowed."""
        shape = variable.grid.chunk_shape if index is None else variable.grid.stored_shape(index)
        return math.prod(shape) * max(variable.dtype.itemsize, 8) * 3 <= self.memory_limit

    def too_large(self, variable: VirtualVariable, levels: set[str]) -> None:
        """Take the gap that a chunk leaves which does not fit into the memory allowed."""
        reason = f"a chunk of shape {variable.grid.chunk_shape} does not fit into memory_limit; raise it"
        for level in sorted(levels):
            self.record.gap(level, variable.path, reason)

    def compare_region(
        self,
        level: str,
        variable: VirtualVariable,
        region: Region,
        index: tuple[int, ...] | None,
        file: str,
        *,
        decoded: bool,
        stored_differ: bool | None = None,
        ours: npt.NDArray[Any] | None = None,
    ) -> bool:
        """Compare a region with every native file it lies in; gives whether it could be compared.

        Parameters
        ----------
        level : str
            What the comparison is called: ``"L1"``, ``"L4"`` or ``"L5"``.
        index : tuple of int or None
            Of the chunk that the region is; None for any other region.
        file : str
            The native file to hold it against, where several have it; empty for all.
        stored_differ : bool or None
            Whether stored values differ there, if that is known.
        ours : array, optional
            What the virtual side reads there, if that was read already.
        """
        path = variable.path
        try:
            ours = self._read_virtual(path, region, decoded=decoded) if ours is None else ours
        except Exception as error:  # noqa: BLE001 - whatever a reader raises on the virtual side is the finding
            piece = next(self.arrangement.pieces(path, region, file))
            self.unreadable(level, variable, index, region, piece, error)
            return False
        compared = True
        for piece in self.arrangement.pieces(path, region, file):
            part = ours[piece.inner] if piece.inner else ours
            if not piece.file:
                self._check_fill(level, variable, part, piece, region, index, decoded=decoded)
                continue
            is_reencoded = piece.file in variable.reencoded
            if is_reencoded and not decoded:
                self.record.gap(
                    level, path, f"its part of {piece.file} is {ENCODED_ANEW}: only decoded values compare"
                )
                compared = False
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
            if is_reencoded:
                described = self.native.variables[piece.file][piece.path]
                part = without_reencoding(part, theirs, variable.attributes, described.attributes)
            elif decoded and is_wider_arithmetic(part, theirs, variable.attributes):
                part = without_rounding(part, theirs, variable.attributes)
                self.record.note(
                    f"{level} {path} is packed with numbers of float32, which JSON cannot say: it decodes to float64 here and "
                    "to float32 natively, and is compared up to the rounding of float32"
                )
            if decoded and is_unmasked_text(part, theirs, variable.attributes):
                part = with_masked_text(part, variable.attributes)
                self.record.note(
                    f"{level} {path} is text with a _FillValue, which xarray masks natively and not in Zarr: it is compared as "
                    "if masked"
                )
            tolerance = self._tolerance(variable, decoded=decoded)
            difference = compare_arrays(part, theirs, tolerance=tolerance)
            self._count(level, path, difference, tolerance)
            if difference.n_differing:
                cause = self._cause(level, variable, piece, part, theirs, difference, index, stored_differ)
                self.record.find(
                    self._value_finding(level, variable, piece, region, index, difference, cause)
                )
        return compared

    def _read_virtual(self, path: str, region: Region, *, decoded: bool) -> npt.NDArray[Any]:
        """A region of the virtual side; what thousands of files are held against one after the other is read once."""
        read = self.virtual.read_decoded if decoded else self.virtual.read_raw
        if self.arrangement.is_joined(path):
            return read(path, region)
        kept = self._kept.get((path, decoded))
        if kept is not None and kept[0] == region:
            return kept[1]
        values = read(path, region)
        if values.nbytes <= MAX_KEPT_BYTES:
            self._kept[path, decoded] = region, values
        return values

    def _read_native(self, piece: Piece, *, decoded: bool) -> npt.NDArray[Any]:
        if decoded:
            values = self.native.read(piece.file, piece.path, piece.region, decoded=True)
        else:
            values = self.native.read_passing(piece.file, piece.path, piece.region)
        values = np.flip(values, piece.turned) if piece.turned else values
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
        if piece.turned:
            return None
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
        if decoded or not variable.has_stored_values or variable.is_coordinate or self.native.unopened:
            return
        expected = np.full(ours.shape, variable.array.fill_value, dtype=ours.dtype)
        difference = compare_arrays(ours, expected)
        if difference.n_differing:
            self.record.find(
                self._value_finding(
                    level, variable, piece, region, index, difference, "values where no native file has any"
                )
            )

    def _tolerance(self, variable: VirtualVariable, *, decoded: bool) -> float:
        """What values of a variable may differ by, in the units that they are compared in."""
        tolerance = self.tolerances.get(variable.path, 0.0)
        return (
            tolerance * abs(packing_of(variable.attributes).scale_factor)
            if decoded and tolerance
            else tolerance
        )

    def _count(self, level: str, path: str, difference: Difference, tolerance: float) -> None:
        payloads = "NaNs of {n} elements carry other payload bits"
        self.record.count(level, path, payloads, difference.n_nan_payloads)
        self.record.count(level, path, "zeros of {n} elements have another sign", difference.n_signed_zeros)
        within = f"values of {{n}} elements differ by no more than the tolerance of {tolerance:g}"
        self.record.count(level, path, within, difference.n_within)

    def _not_native(self, level: str, path: str, file: str, error: Exception) -> None:
        if file in self.virtual.variables[path].reencoded:  # no other level vouches for it
            reason = f"its part of {file} is {ENCODED_ANEW}, and has no native values: {first_line(error)}"
            self.record.gap(level, path, reason)
        elif isinstance(error, NoOracleError):
            self.record.impossible(level, path, str(error))
        elif level == "L5":
            self.record.impossible(
                level, path, f"xarray does not read it natively from {file}: {first_line(error)}"
            )
        else:
            self.record.gap(
                level, path, f"the native reader fails on {file}: {first_line(error)}{_advice(error)}"
            )

    def unreadable(
        self,
        level: str,
        variable: VirtualVariable,
        index: tuple[int, ...] | None,
        region: Region,
        piece: Piece,
        error: Exception,
    ) -> None:
        """Take what the virtual side raised for a region as a finding, unless it is no fault of it."""
        if level == "L5" and variable.decoded is None and not isinstance(error, VzlabError | OSError):
            try:
                self.virtual.read_raw(variable.path, region)
            except Exception:  # noqa: BLE001, S110 - stored values fail as well: it is the virtual side
                pass
            else:
                reason = f"xarray does not read it virtually: {first_line(error)}"
                if piece.file in variable.reencoded:  # no other level vouches for it
                    self.record.gap(level, variable.path, reason)
                else:
                    self.record.impossible(level, variable.path, reason)
                return
        if piece.file:
            try:
                self._read_native(piece, decoded=False)
            except Exception as native_error:  # noqa: BLE001 - what neither side reads is no difference
                reason = f"neither side reads it: {first_line(error)}; natively: {first_line(native_error)}"
                self.record.gap(level, variable.path, reason)
                return
        cause = (
            "a source that cannot be reached, or is shorter than its references"
            if isinstance(error, OSError)
            else "codec"
        )
        self.record.find(
            self._finding(
                level, variable, piece, region, index, f"unreadable: {first_line(error)}", cause=cause
            )
        )

    def _snippet(self, piece: Piece, region: Region, *, decoded: bool) -> str:
        shown = self.native[piece.file].shown(piece.path, decoded=decoded) if piece.file else ""
        return values_snippet(piece, region, decoded=decoded, shown=shown)

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
        finding = Finding(
            level=level,
            variable=variable.path,
            message=message,
            cause=cause,
            index=at,
            virtual_value=virtual_value,
            native_value=native_value,
            file=piece.file,
            snippet=self._snippet(piece, region, decoded=level in {"L1", "L5"}),
        )
        return (
            finding
            if index is None
            else finding.at_chunk(index, self.virtual.reference(variable.path, index))
        )


def _advice(error: Exception) -> str:
    text = str(error).lower()
    return " (pip install hdf5plugin)" if "filter" in text or "plugin" in text else ""
