"""Draw how archive, virtual Zarr, Kerchunk, Icechunk, native Zarr and readers relate, as SVG in the colours of the page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 540, 500
FONT_SIZE, SMALL_FONT_SIZE = 16, 13
TITLE = "How virtual Zarr, Icechunk and Kerchunk relate"
DESCRIPTION = (
    "A parser reads the metadata of an archive's files and makes virtual Zarr: metadata and references. These are kept as "
    "Kerchunk references or in an Icechunk repository. Native Zarr is a copy of the archive instead. Zarr readers open all "
    "three; through references they ask the archive for ranges of bytes."
)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A thing with a name and lines that say what it is; in units of the drawing."""

    x: int
    y: int
    width: int
    height: int
    name: str
    lines: tuple[str, ...]


BOXES = {
    "archive": Box(
        x=80,
        y=10,
        width=450,
        height=76,
        name="Archive",
        lines=("HDF5, netCDF, GRIB, TIFF, ...: chunks of bytes", "stays as it is"),
    ),
    "virtual": Box(
        x=80,
        y=146,
        width=300,
        height=76,
        name="Virtual Zarr",
        lines=("metadata, and for each chunk", "url, offset, length"),
    ),
    "kerchunk": Box(
        x=80,
        y=282,
        width=142,
        height=94,
        name="Kerchunk",
        lines=("references as", "JSON or Parquet;", "no history"),
    ),
    "icechunk": Box(
        x=238,
        y=282,
        width=142,
        height=94,
        name="Icechunk",
        lines=("commits; chunks", "virtual, native", "or inline"),
    ),
    "native": Box(
        x=396,
        y=146,
        width=134,
        height=230,
        name="Native Zarr",
        lines=("the same numbers", "in chunks that", "one chooses"),
    ),
    "readers": Box(
        x=80, y=436, width=450, height=54, name="Zarr readers", lines=("zarr-python, xarray: one dataset",)
    ),
}


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A way straight down from one box to another, with words beside it."""

    x: int
    begin: str
    end: str
    words: str = ""


ARROWS = (
    Arrow(x=130, begin="archive", end="virtual", words="a parser reads metadata"),
    Arrow(x=420, begin="archive", end="native", words="a copy of all"),
    Arrow(x=151, begin="virtual", end="kerchunk", words="written"),
    Arrow(x=309, begin="virtual", end="icechunk", words="committed"),
    Arrow(x=151, begin="kerchunk", end="readers", words="opened"),
    Arrow(x=309, begin="icechunk", end="readers", words="opened"),
    Arrow(x=463, begin="native", end="readers", words="opened"),
)


def diagram() -> str:
    """Give the drawing as one SVG element, to stand in a page."""
    parts = [_box(box) for box in BOXES.values()] + [_arrow(arrow) for arrow in ARROWS] + [_way_back()]
    return (
        f'<svg class="vz-diagram" role="img" aria-labelledby="diagram-title diagram-words" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'fill="currentColor" stroke="none" font-size="{SMALL_FONT_SIZE}">'
        f'<title id="diagram-title">{TITLE}</title><desc id="diagram-words">{escape(DESCRIPTION)}</desc>'
        '<marker id="diagram-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z"/></marker>'
        f"{''.join(parts)}</svg>"
    )


def _box(box: Box) -> str:
    text = "".join(
        f'<text x="{box.x + 12}" y="{box.y + 44 + 18 * number}">{escape(line)}</text>'
        for number, line in enumerate(box.lines)
    )
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" fill-opacity="0.06" '
        'stroke="currentColor" stroke-opacity="0.5"/>'
        f'<text x="{box.x + 12}" y="{box.y + 24}" font-size="{FONT_SIZE}" font-weight="bold">{escape(box.name)}</text>{text}'
    )


def _line(points: str, style: str = "") -> str:
    return f'<path d="{points}" fill="none" stroke="currentColor" stroke-width="1.5" marker-end="url(#diagram-tip)" {style}/>'


def _arrow(arrow: Arrow) -> str:
    begin, end = BOXES[arrow.begin], BOXES[arrow.end]
    top, bottom = begin.y + begin.height, end.y
    words = f'<text x="{arrow.x + 10}" y="{(top + bottom) // 2 + 4}">{escape(arrow.words)}</text>'
    return _line(f"M{arrow.x} {top}V{bottom}") + words


def _way_back() -> str:
    """Draw the requests that readers make, from the readers round the left side up to the archive."""
    archive, readers = BOXES["archive"], BOXES["readers"]
    low, high = readers.y + readers.height // 2, archive.y + archive.height // 2
    middle = (low + high) // 2
    way = _line(f"M{readers.x} {low}H40V{high}H{archive.x}", 'stroke-dasharray="6 5"')
    turned = f'transform="translate(28 {middle}) rotate(-90)" text-anchor="middle"'
    return f"{way}<text {turned}>through references: ranges of bytes</text>"
