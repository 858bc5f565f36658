"""Draw chunk maps and byte maps: pictures that read on white and on #111."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vzlab.inspection.byte_map import ByteMap
from vzlab.inspection.chunk_map import CELL_FIELDS, NO_SOURCE, SEVERAL_SOURCES, ChunkMap, ChunkSlice
from vzlab.inspection.model import ColourBy
from vzlab.inspection.words import format_bytes, format_count, format_percent
from vzlab.render.png import encode_png

type Colour = tuple[int, int, int]

RAMP: tuple[Colour, ...] = ((48, 84, 150), (36, 128, 148), (84, 164, 118), (176, 184, 74), (238, 184, 66))
"""From little to much. Lightness rises all along, so that it reads without seeing hues too."""

KINDS: tuple[Colour, ...] = (
    (48, 110, 170),
    (222, 150, 60),
    (60, 150, 110),
    (170, 90, 150),
    (120, 160, 60),
    (90, 90, 180),
    (200, 110, 90),
    (70, 160, 180),
)
"""For things without an order, such as files; beyond these they begin again."""

OWN: Colour = (36, 128, 148)
OTHERS: Colour = (140, 140, 150)
METADATA: Colour = (204, 148, 52)
MISSING: Colour = (208, 62, 62)
INLINE: Colour = (150, 110, 190)
SEVERAL: Colour = (128, 128, 128)

_LEVELS = 11
_CLEAR, _HATCH, _MARK, _HELD, _FIRST = 0, 1, 2, 3, 4

_WIDTH, _HEIGHT = 480, 320
"""Pixels that a chunk map should not exceed, unless it has more cells than this."""
_MOST_CELLS = 160
"""Along each side of a picture in a page: each is at least two pixels wide and high."""
_PANEL_GAP = 8


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with all that is needed to show it."""

    png: bytes
    alt: str
    """What a seeing person would conclude from it."""
    caption: str
    """What one cell stands for."""
    legend: tuple[tuple[Colour | None, str], ...]
    legend_title: str
    width_px: int
    """At which it is as sharp as it was drawn."""


def draw_chunk_map(
    chunks: ChunkMap,
    *,
    colour_by: ColourBy,
    source_names: Sequence[str] = (),
    max_bytes: int | None = None,
) -> Picture:
    """Draw a chunk grid, a cell for each chunk or for several.

    Parameters
    ----------
    chunks : ChunkMap
    colour_by : {"ratio", "size", "offset", "source"}
        Stored size over raw size, stored size, where in their file chunks begin, or the file that they lie in.
    source_names : sequence of str
        Names of the inspection's sources.
    max_bytes : int, optional
        Draw fewer cells until the picture is no larger than this.
    """
    if chunks.shape[0] > 1.5 * chunks.shape[1]:
        # A tall grid is laid on its side: pages have more room across.
        chunks = chunks.transpose()
    cells = min(max(chunks.shape), _MOST_CELLS)
    while True:
        drawn = chunks.rebin(cells)
        colours, legend, title, words = (
            _by_source(drawn, source_names) if colour_by == "source" else _by_amount(drawn, colour_by)
        )
        pixels = _draw_cells(drawn, colours)
        png = encode_png(pixels, _palette_for(colour_by))
        if max_bytes is None or len(png) <= max_bytes or cells <= 8:
            break
        cells = max(cells * 2 // 3, 8)
    n_missing, n_inline = int(chunks.n_missing.sum()), int(chunks.n_inline.sum())
    if n_missing:
        legend.append((MISSING, f"{n_missing:,} never written"))
    if n_inline:
        legend.append((INLINE, f"{n_inline:,} inline"))
    absent = f"; {format_count(n_missing, 'chunk')} never written" if n_missing else ""
    return Picture(
        png=png,
        alt=f"Chunk map, {_extent(chunks)}: {words}{absent}",
        caption=_caption(drawn),
        legend=tuple(legend),
        legend_title=title,
        width_px=pixels.shape[1],
    )


def draw_chunk_slices(
    slices: Sequence[ChunkSlice],
    *,
    colour_by: ColourBy,
    source_names: Sequence[str] = (),
) -> Picture:
    """Draw slices of a chunk grid as panels with one scale of colours, in reading order.

    Parameters
    ----------
    slices : sequence of ChunkSlice
        At least one, all of the same cells.
    colour_by, source_names
        As for `draw_chunk_map`.
    """
    drawn = [cut.map for cut in slices]
    if drawn[0].shape[0] > 1.5 * drawn[0].shape[1]:
        drawn = [chunks.transpose() for chunks in drawn]
    whole = beside(drawn)
    colours, legend, title, words = (
        _by_source(whole, source_names) if colour_by == "source" else _by_amount(whole, colour_by)
    )
    columns = drawn[0].shape[1]
    across = min(len(drawn), max(1, _WIDTH // (columns * 6 + _PANEL_GAP)))
    side = max(2, min((_WIDTH - across * _PANEL_GAP) // (across * columns), 20))
    panels = np.split(_draw_cells(whole, colours, side=side), len(drawn), axis=1)
    rows = []
    for start in range(0, len(panels), across):
        row = [np.pad(panel, ((0, _PANEL_GAP), (0, _PANEL_GAP))) for panel in panels[start : start + across]]
        row += [np.zeros_like(row[0])] * (across - len(row))
        rows.append(np.concatenate(row, axis=1))
    pixels = np.concatenate(rows)[:-_PANEL_GAP, :-_PANEL_GAP]
    n, dim = slices[0].n_positions, slices[0].dim
    at = ", ".join(f"{cut.position:,}" for cut in slices)
    which = f"all {n:,} along {dim}" if len(slices) == n else f"{dim} {at} of {n:,}"
    return Picture(
        png=encode_png(pixels, _palette_for(colour_by)),
        alt=f"Chunk maps, {len(slices)} slices along {dim}, each {_extent(drawn[0])}: {words}",
        caption=f"{which} · each {_caption(drawn[0])}",
        legend=tuple(legend),
        legend_title=title,
        width_px=pixels.shape[1],
    )


def beside(maps: Sequence[ChunkMap]) -> ChunkMap:
    """Set maps of the same rows side by side in one, which has no names of dimensions."""
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(chunks, name) for chunks in maps], axis=1) for name in CELL_FIELDS
    }
    return replace(maps[0], dims=("", ""), slicer=None, **joined)


def colourings(chunks: ChunkMap) -> tuple[Literal["ratio", "size", "source"], ...]:
    """Choose how a chunk grid is worth drawing: by ratio or size where these vary, by file where there are several."""
    chosen: list[Literal["ratio", "size", "source"]] = []
    ratio = chunks.ratio[np.isfinite(chunks.ratio)]
    present = chunks.n_chunks > chunks.n_missing
    if ratio.size and ratio.max() > 1.02 * ratio.min():
        chosen.append("ratio")
    elif present.any() and chunks.max_bytes[present].max() > 1.02 * chunks.min_bytes[present].min():
        chosen.append("size")
    sources = chunks.source[chunks.source != NO_SOURCE]
    # A map of which every cell lies in several files says nothing.
    if sources.size and sources.max() >= 0 and sources.min() != sources.max():
        chosen.append("source")
    return tuple(chosen or ["size"])


def is_out_of_order(chunks: ChunkMap) -> bool:
    """Whether the chunks of a grid, all in one file, lie there in another order than in the grid."""
    offsets = chunks.offset[chunks.offset >= 0]
    return bool((offsets[1:] < offsets[:-1]).any())


def draw_byte_map(strips: ByteMap, *, name: str) -> Picture:
    """Draw files as strips: this variable's chunks from the bottom, above them others', metadata if known, and the rest faint."""
    rows, bins = strips.own.shape
    height = 26 if rows == 1 else max(4, min(16, 180 // rows))
    stretch = max(1, 512 // bins)
    gap = 0 if rows == 1 else 2 if height > 6 else 1
    level = np.arange(height - gap, 0, -1, dtype=np.float64)[None, :, None] / (height - gap)
    own = strips.own[:, None, :].astype(np.float64)
    # A sliver is drawn as one pixel: what is there must be seen.
    own = np.where(own > 0, np.maximum(own, 1 / (height - gap)), 0)
    both = own + strips.others[:, None, :]
    known = both
    if strips.metadata is not None:
        head = strips.metadata[:, None, :]
        known = both + np.where(head > 0, np.maximum(head, 1 / (height - gap)), 0)
    slack = 0.5 / (height - gap)
    bands = np.where(
        level <= own + 1e-9, 1, np.where(level <= both + slack, 2, np.where(level <= known + slack, 4, 3))
    ).astype(np.uint8)
    bands = np.concatenate([bands, np.zeros((rows, gap, bins), np.uint8)], axis=1).reshape(
        rows * height, bins
    )
    pixels = np.repeat(bands, stretch, axis=1)
    palette = np.array(
        [(0, 0, 0, 0), (*OWN, 255), (*OTHERS, 165), (128, 128, 128, 56), (*METADATA, 255)], dtype=np.uint8
    )
    total = max(strips.file_bytes, 1)
    n_files = sum(strips.n_sources)
    files = "the file" if n_files == 1 else f"{n_files:,} files"
    covered = strips.own > 0
    place = ""
    if n_files == 1 and covered.any():
        where = np.flatnonzero(covered[0])
        place = f", between {format_percent(where[0] / bins)} and {format_percent((where[-1] + 1) / bins)} of its length"
    legend: list[tuple[Colour | None, str]] = [(OWN, f"{name} {format_bytes(strips.own_bytes)}")]
    if strips.other_bytes:
        legend.append((OTHERS, f"other variables {format_bytes(strips.other_bytes)}"))
    if strips.metadata_bytes is None:
        legend.append((None, f"metadata or gaps {format_bytes(strips.rest_bytes)}"))
    else:
        legend.append((METADATA, f"metadata {format_bytes(strips.metadata_bytes)}"))
        if strips.rest_bytes:
            legend.append((None, f"gaps {format_bytes(strips.rest_bytes)}"))
    return Picture(
        png=encode_png(pixels, palette),
        alt=f"Byte map: {name} takes {format_percent(min(strips.own_bytes / total, 1))} of {files}{place}",
        caption=format_bytes(strips.file_bytes)
        + (" in one file" if n_files == 1 else f" in {n_files:,} files"),
        legend=tuple(legend),
        legend_title="",
        width_px=pixels.shape[1],
    )


def _ramp(position: float) -> Colour:
    at = min(max(position, 0.0), 1.0) * (len(RAMP) - 1)
    low = min(int(at), len(RAMP) - 2)
    red, green, blue = (
        round(a + (b - a) * (at - low)) for a, b in zip(RAMP[low], RAMP[low + 1], strict=True)
    )
    return red, green, blue


def _palette_for(colour_by: str) -> npt.NDArray[np.uint8]:
    colours = (*KINDS, SEVERAL) if colour_by == "source" else map(_ramp, np.linspace(0, 1, _LEVELS))
    fixed = [(0, 0, 0, 0), (128, 128, 128, 120), (*MISSING, 255), (*INLINE, 255)]
    return np.array([*fixed, *((*colour, 255) for colour in colours)], dtype=np.uint8)


type _Colouring = tuple[npt.NDArray[np.uint8], list[tuple[Colour | None, str]], str, str]
"""Palette positions of cells, legend, its title, and words for those who cannot see."""


def _by_amount(chunks: ChunkMap, colour_by: Literal["ratio", "size", "offset"]) -> _Colouring:
    title = {"ratio": "stored / raw:", "size": "stored size:", "offset": "begins at:"}[colour_by]
    say = format_percent if colour_by == "ratio" else format_bytes
    if colour_by == "offset":
        amount = np.where(chunks.offset < 0, np.nan, chunks.offset)
    else:
        amount = chunks.ratio if colour_by == "ratio" else chunks.mean_bytes
    known = amount[np.isfinite(amount)]
    if not known.size:
        return np.full(chunks.shape, _HATCH, np.uint8), [], "", "no chunk was ever written"
    low, high = float(known.min()), float(known.max())
    span = high - low
    level = np.nan_to_num((amount - low) / span if span > 0.02 * high else np.zeros_like(amount))
    colours = (_FIRST + np.rint(level * (_LEVELS - 1))).astype(np.uint8)
    if span <= 0.02 * high:
        words = f"all chunks {say(high)}" if colour_by == "size" else f"stored / raw {say(high)} everywhere"
        return colours, [(_ramp(0), say(high))], title, words
    stops = np.linspace(0, 1, 4)
    where = "" if colour_by == "offset" else _where(amount, chunks.dims)
    legend: list[tuple[Colour | None, str]] = [(_ramp(s), say(low + s * span)) for s in stops.tolist()]
    return colours, legend, title, f"{title} {say(low)} to {say(high)}{where}"


def _where(amount: npt.NDArray[np.float64], dims: tuple[str, str]) -> str:
    """Say in which part of the grid the amount is largest, where a part stands out."""
    rows, columns = amount.shape
    words = []
    for axis, (n, dim) in enumerate(((rows, dims[0]), (columns, dims[1]))):
        if n < 3 or not dim:
            continue
        with np.errstate(invalid="ignore"):
            there = np.isfinite(amount)
            sums = np.where(there, amount, 0).sum(axis=1 - axis)
            means = sums / np.maximum(there.sum(axis=1 - axis), 1)
        thirds = [float(part.mean()) for part in np.array_split(means, 3)]
        if max(thirds) > 1.1 * (sum(thirds) / 3):
            words.append(
                f"{('at the start', 'in the middle', 'at the end')[thirds.index(max(thirds))]} of {dim}"
            )
    return f", most {' and '.join(words)}" if words else ""


def _by_source(chunks: ChunkMap, names: Sequence[str]) -> _Colouring:
    source = chunks.source
    colours = np.where(source >= 0, _FIRST + source % len(KINDS), _FIRST + len(KINDS)).astype(np.uint8)
    colours[source == NO_SOURCE] = _CLEAR
    seen = [int(s) for s in np.unique(source[source >= 0])]
    legend: list[tuple[Colour | None, str]] = [
        (KINDS[s % len(KINDS)], names[s] if s < len(names) else f"file {s}") for s in seen[:4]
    ]
    if len(seen) > 4:
        legend.append((None, f"and {len(seen) - 4:,} more files"))
    if (source == SEVERAL_SOURCES).any():
        legend.append((SEVERAL, "several files"))
    return colours, legend, "file:", f"chunks lie in {format_count(len(seen), 'file')}"


def _draw_cells(
    chunks: ChunkMap, colours: npt.NDArray[np.uint8], *, side: int | None = None
) -> npt.NDArray[np.uint8]:
    """Blow cells up to tiles, with marks on those that are missing or inline."""
    rows, columns = chunks.shape
    across = down = side or max(1, min(_WIDTH // columns, _HEIGHT // rows, 28))
    if side is None:
        # A grid of one or two rows or columns is widened until it can be seen.
        side, across, down = across, max(across, -(-96 // columns)), max(down, -(-22 // rows))
    absent = (chunks.n_missing == chunks.n_chunks).astype(bool)
    held = (chunks.n_inline > 0) & (chunks.n_inline == chunks.n_chunks - chunks.n_missing)
    partly = (chunks.n_missing > 0) & ~absent
    cells = np.where(absent, _CLEAR, np.where(held, _HELD, colours)).astype(np.uint8)

    def blown(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.repeat(np.repeat(values, down, axis=0), across, axis=1)

    pixels = blown(cells)
    y, x = np.arange(pixels.shape[0])[:, None], np.arange(pixels.shape[1])[None, :]
    inside_y, inside_x = y % down, x % across
    stripes = (x + y) % 4 < 1 if side >= 4 else np.True_
    pixels[blown(absent) & stripes] = _HATCH
    # The mark: a triangle in the corner of a tile, or all of a cell that is too small for one.
    corner = (
        inside_x + (down - 1 - inside_y) >= across + down - 1 - max(side * 3 // 4, 1)
        if side >= 5
        else np.True_
    )
    pixels[blown(partly) & corner] = _MARK
    # Where all is missing a frame says that there is a chunk's place: the mark's colour, on the tile's left edge.
    if side >= 5:
        pixels[blown(absent) & (inside_x < 2)] = _MARK
        gaps = (inside_y == down - 1) | (inside_x == across - 1)
        pixels[np.broadcast_to(gaps, pixels.shape)] = _CLEAR
    elif side < 4:
        pixels[blown(absent)] = _HATCH
    return pixels


def _extent(chunks: ChunkMap) -> str:
    rows, columns = chunks.grid_shape
    down, across = chunks.dims
    if not down:
        return f"{format_count(columns, 'chunk')} along {across}"
    return f"{rows:,} chunks along {down} down and {columns:,} along {across} across"


def _caption(chunks: ChunkMap) -> str:
    """Say what is down and across, and what one cell stands for."""
    rows, columns = chunks.grid_shape
    down, across = chunks.dims
    words = f"{across} {columns:,} →" if not down else f"{down} {rows:,} ↓ {across} {columns:,} →"
    if chunks.shape != chunks.grid_shape:
        words += f" · a cell is up to {format_count(chunks.chunks_per_cell, 'chunk')}"
    elif chunks.folded:
        words += " · a cell is " + " and ".join(f"all {n:,} along {dim}" for dim, n in chunks.folded)
    return words
