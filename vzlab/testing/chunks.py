"""Compare chunks of a variable, drawn or all of them, and say what that proves."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterable, Sequence

import numpy as np

from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.telling import tell
from vzlab.testing.checkpoint import Checkpoint
from vzlab.testing.comparison import Bound, Stratum
from vzlab.testing.exact import check_every_chunk
from vzlab.testing.native_files import NativeFiles
from vzlab.testing.reencoded import ENCODED_ANEW
from vzlab.testing.sampling import Block, Draw, Sample, draw_chunks, pooled_bound, upper_bound
from vzlab.testing.stored_bytes import n_with_stored_bytes
from vzlab.testing.values import Comparer
from vzlab.testing.virtual_side import VirtualVariable

NO_FILE = "no native file"
"""The codec era of chunks that no native file answers for."""
_SPECIAL = 4
"""Chunks of each unusual kind that are looked at in any case."""


def check_chunks(
    variable: VirtualVariable,
    comparer: Comparer,
    levels: set[str],
    *,
    sample: Sample,
    confidence: float,
    max_bad_fraction: float,
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> Generator[str]:
    """Compare chunks of a variable on levels L3, L4 and L5, each codec era by itself.

    Parameters
    ----------
    checkpoint : Checkpoint, optional
        All chunks are compared if it is given, and kept there; else those that `sample` says.

    Yields
    ------
    str
        Url of the file that is looked at next: several variables can look at a file while it is open.
    """
    path = variable.path
    native = comparer.native
    blocks = comparer.arrangement.blocks(path, variable.grid, native.holders(path))
    eras: dict[str, list[Block]] = {}
    for block in blocks:
        codecs = native.variables[block.file][path].codecs if block.file else NO_FILE
        if block.file in variable.reencoded:
            codecs = f"{ENCODED_ANEW}, natively {codecs}"
        if block.n_chunks:
            eras.setdefault(codecs, []).append(block)
    possible = _possible(variable, comparer, levels)
    if not possible:
        return
    if comparer.native.unopened and (unknown := eras.pop(NO_FILE, None)):
        for level in sorted(possible):
            comparer.record.cover(level, 0, sum(block.n_chunks for block in unknown), "chunks")
    everywhere = possible
    for codecs, members in eras.items():
        total = sum(block.n_chunks for block in members)
        possible = everywhere
        if members[0].file in variable.reencoded:
            possible = everywhere & {"L5"}
            if "L4" in everywhere and not possible:
                reason = f"{total:,} of its chunks are {ENCODED_ANEW}: compare their decoded values, level L5"
                comparer.record.gap("L4", path, reason)
        for level in sorted(possible):
            n = n_with_stored_bytes(comparer, variable, members) if level == "L3" else total
            comparer.record.cover(level, 0, n, "chunks")
        if checkpoint is not None and variable.has_stored_values and comparer.fits(variable):
            differing = check_every_chunk(variable, comparer, possible, members, checkpoint)
            _add_bound(
                [_all_of(variable, codecs, b, n) for b, n in zip(members, differing, strict=True)], comparer
            )
            continue
        draws = draw_chunks(
            members,
            grid_shape=variable.grid.grid_shape,
            special=_special(variable, comparer, members),
            sample=sample if checkpoint is None else "all",
            confidence=confidence,
            max_bad_fraction=max_bad_fraction,
            seed=(seed, zlib.crc32(f"{path} {codecs}".encode())),
        )
        yield from _look(variable, codecs, draws, comparer, possible, confidence)


def look_together(looking: Iterable[Generator[str]], native: NativeFiles, text: str) -> None:
    """Let variables look at the same file at the same time: were each to go through all files, each would open them all."""
    at = {look: file for look in looking if (file := next(look, None)) is not None}
    begun: set[str] = set()
    while at:
        # Files come in the order of the first variable that is not done.
        file = next(iter(at.values()))
        tell(text, len(begun), len(native.urls))
        begun.add(file)
        for look in [look for look, waits_for in at.items() if waits_for == file]:
            following = next(look, None)
            if following is None:
                del at[look]
            else:
                at[look] = following


def _possible(variable: VirtualVariable, comparer: Comparer, levels: set[str]) -> set[str]:
    """Levels that both sides allow for this variable; the others are said to be impossible."""
    if variable.path in comparer.tolerances and "L3" in levels:
        levels = levels - {"L3"}
        comparer.record.impossible("L3", variable.path, "bytes have no tolerance", is_expected=True)
    reason = "values are in memory or lazy, without what is stored"
    if not comparer.native.has_stored_values:
        reason = "the native side is an opened dataset, which has decoded values only: give the files"
    elif variable.has_stored_values:
        return levels
    for level in sorted(levels - {"L5"}):
        comparer.record.impossible(level, variable.path, reason, is_expected=True)
    return levels & {"L5"}


def _look(
    variable: VirtualVariable,
    codecs: str,
    draws: Sequence[Draw],
    comparer: Comparer,
    levels: set[str],
    confidence: float,
) -> Generator[str]:
    strata = []
    pool = []
    for draw in draws:
        yield draw.block.file
        always, drawn = set(draw.always), set(draw.drawn)
        bad_always = bad_drawn = skipped = 0
        for flat in sorted(always | drawn):
            index = draw.block.at(flat)
            if not comparer.fits(variable, index):
                skipped += 1
                continue
            if comparer.check_chunk(variable, index, draw.block.file, levels):
                bad_always += flat in always
                bad_drawn += flat in drawn
        if skipped:
            comparer.too_large(variable, levels)
        rest = draw.block.n_chunks - len(draw.always)
        pool.append((rest, len(draw.drawn)))
        strata.append(
            Stratum(
                variable=variable.path,
                file=draw.block.file,
                codecs=codecs,
                n_chunks=draw.block.n_chunks,
                n_always=len(draw.always),
                n_drawn=len(draw.drawn),
                n_differing=bad_always + bad_drawn,
                n_bad_at_most=bad_always
                + upper_bound(rest, len(draw.drawn), bad_drawn, confidence)
                + skipped,
            )
        )
    _add_bound(strata, comparer, pooled_bound(pool, confidence))


def _all_of(variable: VirtualVariable, codecs: str, block: Block, n_differing: int) -> Stratum:
    """What looking at every chunk of a block proves."""
    return Stratum(
        variable=variable.path,
        file=block.file,
        codecs=codecs,
        n_chunks=block.n_chunks,
        n_always=block.n_chunks,
        n_drawn=0,
        n_differing=n_differing,
        n_bad_at_most=n_differing,
    )


def _add_bound(strata: Sequence[Stratum], comparer: Comparer, n_bad_if_none: int = 0) -> None:
    """Take the strata of one variable and codec era; `n_bad_if_none` can be bad where none was found to be."""
    differing = sum(stratum.n_differing for stratum in strata)
    comparer.record.strata += strata
    comparer.record.bounds.append(
        Bound(
            variable=strata[0].variable,
            codecs=strata[0].codecs,
            n_files=len({s.file for s in strata}),
            n_chunks=sum(s.n_chunks for s in strata),
            n_checked=sum(s.n_always + s.n_drawn for s in strata),
            n_differing=differing,
            n_bad_at_most=sum(s.n_bad_at_most for s in strata) if differing else n_bad_if_none,
            worst_file_fraction=max(s.n_bad_at_most / s.n_chunks for s in strata),
        )
    )


def _special(variable: VirtualVariable, comparer: Comparer, blocks: Sequence[Block]) -> list[tuple[int, ...]]:
    """Chunks that are missing or inline, or that skipped a filter natively."""
    found: list[tuple[int, ...]] = []
    manifest = variable.manifest
    if manifest is not None and manifest.n_virtual < manifest.n_chunks:
        for state in (MISSING, INLINE):
            flat = np.flatnonzero(manifest.source_index.reshape(-1) == np.uint32(state))[:_SPECIAL]
            found += [tuple(int(i) for i in np.unravel_index(k, manifest.grid_shape)) for k in flat.tolist()]
    if len(blocks) == 1 and blocks[0].file and "L2" in comparer.record.levels:
        table = comparer.native[blocks[0].file].chunk_table(variable.path)
        if table is not None and table.present.shape == variable.grid.grid_shape and table.filter_masks.any():
            found += [tuple(map(int, at)) for at in np.argwhere(table.filter_masks)[:_SPECIAL]]
    return found
