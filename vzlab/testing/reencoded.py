"""Parts that were decoded and encoded anew beside references: which they are, and how near their values must come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.cf import packing_of
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.testing.arrangement import Arrangement
from vzlab.testing.attributes import MEANING, differing_attributes
from vzlab.testing.native_files import NativeFiles, show_files
from vzlab.testing.record import Record
from vzlab.testing.structure import same_type
from vzlab.testing.virtual_side import VirtualSide

EPS = float(np.finfo(np.float64).eps)

ENCODED_ANEW = "encoded anew"
"""The codec era of chunks that are no longer as in the native file."""

ROUNDINGS = 4
"""Packing, unpacking on two sides and the conversion of attributes round a value no more often."""


def mark_reencoded(
    virtual: VirtualSide, native: NativeFiles, arrangement: Arrangement, record: Record
) -> tuple[tuple[str, int], ...]:
    """Find the files whose part of a variable was encoded as in the other files, and give how many chunks that made.

    Such a part has no reference into its file, other parts of the variable have, and the file says something else of what
    its stored numbers mean, or has them in another order. Then only decoded values can be equal, and they must be.
    """
    counts = []
    for path, variable in virtual.variables.items():
        manifest = variable.manifest
        if (
            variable.array is None
            or manifest is None
            or not arrangement.known(path)
            or not arrangement.is_joined(path)
            or not 0 < manifest.n_virtual < manifest.n_chunks
        ):
            continue
        files: dict[str, int] = {}
        reasons: Counter[str] = Counter()
        for block in arrangement.blocks(path, variable.grid, native.holders(path)):
            states = manifest.source_index[np.ix_(*block.chunk_indices)]
            n_held = int(np.count_nonzero(states == np.uint32(INLINE)))
            if (
                not block.file
                or not n_held
                or n_held + np.count_nonzero(states == np.uint32(MISSING)) < states.size
            ):
                continue
            described = native.variables[block.file][path]
            changed = differing_attributes(variable.attributes, described.attributes, MEANING)
            if described.dtype is not None and not same_type(variable.dtype, described.dtype):
                changed.append("data type")
            changed += ["order of axes"] * native.has_other_axes(block.file, path)
            turned = arrangement.turned.get(block.file, frozenset())
            changed += [f"direction of {name}" for name in arrangement.coordinates(path) if name in turned]
            if changed:
                files[block.file] = files.get(block.file, 0) + n_held
                reasons.update(changed)
        if files:
            virtual.variables[path] = replace(variable, reencoded=frozenset(files))
            n = sum(files.values())
            counts.append((path, n))
            record.note(
                f"{path}: {n:,} chunk{'s' * (n != 1)} of {show_files(list(files))} {'is' if n == 1 else 'are'} {ENCODED_ANEW}, "
                f"natively with another {', '.join(reasons)}. Nothing is claimed of stored bytes and numbers there: decoded "
                "values are compared, up to the rounding of floating-point arithmetic"
            )
    return tuple(counts)


def without_reencoding(
    ours: npt.NDArray[Any],
    theirs: npt.NDArray[Any],
    attributes: Mapping[str, Any],
    native_attributes: Mapping[str, Any],
) -> npt.NDArray[Any]:
    """Our decoded values: the native one wherever the two differ by no more than arithmetic rounds.

    A decoded number is a product and a sum, each rounded by half a unit in the last place of what it makes (IEEE 754), on
    both sides; the number that was packed anew stands for the same value up to one such unit.
    """
    if (
        ours.dtype.kind not in "iuf"
        or theirs.dtype.kind not in "iuf"
        or "f" not in ours.dtype.kind + theirs.dtype.kind
    ):
        return ours
    eps = max(2 * EPS, *(float(np.finfo(x.dtype).eps) for x in (ours, theirs) if x.dtype.kind == "f"))
    size = np.abs(theirs.astype(np.float64))
    for packing in (packing_of(attributes), packing_of(native_attributes)):
        size = np.maximum(size, max(abs(packing.add_offset), abs(packing.scale_factor)))
    with np.errstate(invalid="ignore", over="ignore"):
        alike = np.abs(ours.astype(np.float64) - theirs) <= ROUNDINGS * eps * size
    return np.where(alike, theirs, ours)
