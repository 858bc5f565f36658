"""Files whose dimension runs the other way than the virtual one, and whose values were turned round for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.manifests.manifest import INLINE
from vzlab.testing.arrangement import Arrangement, native_coordinate, virtual_coordinate
from vzlab.testing.native_files import NativeFiles, show_files
from vzlab.testing.record import Record
from vzlab.testing.sampling import Block
from vzlab.testing.virtual_side import VirtualSide, VirtualVariable


def find_turned(
    virtual: VirtualSide, native: NativeFiles, arrangement: Arrangement, record: Record
) -> Mapping[str, frozenset[str]]:
    """Coordinates that a file has in the reverse order, by the file.

    Chunks that are referred to cannot have been turned round: a file counts only where none of what it adds to the
    variables along the coordinate is a reference. So a file that was joined upside down is found by its coordinate, as ever.
    """
    added: dict[str, set[str]] = {}
    referred: dict[str, set[str]] = {}
    for path, variable in virtual.variables.items():
        if not arrangement.known(path) or not arrangement.is_joined(path):
            continue
        along = set(arrangement.coordinates(path)) - {""}
        if not along:
            continue
        for file, is_referred in _parts(variable, arrangement, native.holders(path)):
            (referred if is_referred else added).setdefault(file, set()).update(along)
    turned: dict[str, set[str]] = {}
    for path in sorted(set().union(*added.values())):
        ours = virtual_coordinate(virtual, path)
        files = sorted(
            file
            for file, paths in added.items()
            if path in paths - referred.get(file, set())
            and _is_reverse(ours, native_coordinate(native, path, file))
        )
        if not files:
            continue
        for file in files:
            turned.setdefault(file, set()).add(path)
        record.note(
            f"{path} runs the other way in {show_files(files)}, whose values were turned round: they are compared place by "
            "place of the coordinate"
        )
    return {file: frozenset(paths) for file, paths in turned.items()}


def _parts(
    variable: VirtualVariable, arrangement: Arrangement, holders: Sequence[str]
) -> Iterable[tuple[str, bool]]:
    """Files that add to a variable, and whether by references."""
    if variable.manifest is None:  # in memory, or lazy
        return [(file, False) for file in holders]
    if variable.manifest.n_virtual == variable.manifest.n_chunks:  # as usual
        return [(file, True) for file in holders]
    blocks = arrangement.blocks(variable.path, variable.grid, holders)
    return [(block.file, _has_references(variable, block)) for block in blocks if block.file]


def _has_references(variable: VirtualVariable, block: Block) -> bool:
    assert variable.manifest is not None
    return bool((variable.manifest.source_index[np.ix_(*block.chunk_indices)] < INLINE).any())


def _is_reverse(ours: npt.NDArray[Any] | None, theirs: npt.NDArray[Any] | None) -> bool:
    return (
        ours is not None
        and theirs is not None
        and len(ours) > 1
        and np.array_equal(ours, theirs[::-1])
        and not np.array_equal(ours, theirs)
    )
