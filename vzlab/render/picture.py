"""A map as a picture of its own: a PNG file that says in words what it shows."""

from __future__ import annotations

from pathlib import Path

from vzlab.inspection import Inspection
from vzlab.inspection.model import ColourBy, MapKind
from vzlab.render.maps import Picture, beside, colourings, draw_byte_map, draw_chunk_map, draw_chunk_slices
from vzlab.render.png import describe_png


def to_png(
    inspection: Inspection,
    variable: str,
    path: str | Path,
    *,
    kind: MapKind = "chunks",
    colour_by: ColourBy | None = None,
) -> Path:
    """Write a map of one variable, and give its path.

    Parameters
    ----------
    inspection : Inspection
    variable : str
        Its path.
    path : str or Path
    kind : {"chunks", "slices", "bytes"}
        The chunk grid; the grid at some places of a dimension that is not drawn; or where the chunks lie in their files.
    colour_by : {"ratio", "size", "offset", "source"}, optional
        Of chunks and slices; what varies if not given.

    Raises
    ------
    ValueError
        If the variable has no such map; the message says why.

    Notes
    -----
    What the picture says, what a cell is and what the colours mean stand in the file as its ``Description`` (PNG
    specification, third edition, section 11.3.3.1).
    """
    picture = _draw(inspection, variable, kind, colour_by)
    colours = ", ".join(text for _, text in picture.legend)
    words = f"{picture.alt}. {picture.caption}. {picture.legend_title} {colours}".strip()
    target = Path(path)
    target.write_bytes(describe_png(picture.png, words))
    return target


def _draw(inspection: Inspection, variable: str, kind: MapKind, colour_by: ColourBy | None) -> Picture:
    found = inspection[variable]
    if colour_by == "offset" and len(found.sources) > 1:
        raise ValueError(
            f"{variable!r} lies in {len(found.sources):,} files; colour_by='source' tells them apart"
        )
    names = [source.name for source in inspection.sources]
    if kind == "bytes":
        if found.byte_map is None:
            raise ValueError(f"No chunk of {variable!r} lies in a file: there is no byte map to draw")
        return draw_byte_map(found.byte_map, name=found.name)
    if found.chunk_map is None:
        raise ValueError(
            f"{variable!r} has no grid of several chunks to draw; kind='bytes' shows where it lies"
        )
    if kind == "chunks":
        by = colour_by or colourings(found.chunk_map)[0]
        return draw_chunk_map(found.chunk_map, colour_by=by, source_names=names)
    slices = found.chunk_map.slices
    if not slices:
        raise ValueError(
            f"The chunk grid of {variable!r} has no more than two dimensions to draw: kind='chunks' shows all of it"
        )
    by = colour_by or colourings(beside([cut.map for cut in slices]))[0]
    return draw_chunk_slices(slices, colour_by=by, source_names=names)
