"""Say in words what it takes to open a file whose metadata are scattered, and what would gather them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from vzlab.inspection.model import Finding, GroupInspection, Opening, SourceInspection
from vzlab.inspection.words import format_bytes, format_count
from vzlab.storage.source import HEAD_BYTES

_WORTH_SAYING = 10
"""Requests at which opening begins to be felt."""

_PAGES = (1 << 16, 1 << 23)
"""Shortest and longest page to advise."""


def find_scattered(
    root: GroupInspection, sources: Sequence[SourceInspection], file_format: str, opening: Opening | None
) -> Iterator[Finding]:
    """Find files that take many requests to open.

    Parameters
    ----------
    root : GroupInspection
    sources : sequence of SourceInspection
    file_format : str
        As the field of `Inspection`.
    opening : Opening, optional
        What parsing took, if it was over a network: then it is told as it was.
    """
    remedy = next((say for name, say in _REMEDIES.items() if name in file_format), None)
    # Values that cannot be referred to lie between the chunks too, and would be taken for metadata.
    if remedy is None or len(sources) != 1 or any(group.unreadable for group in root.walk()):
        return
    layout = sources[0].metadata
    if layout is None:
        return
    n_requests = opening.n_requests if opening is not None else layout.n_requests
    n_gathered = -(-layout.n_bytes // HEAD_BYTES) + 1
    if n_requests < _WORTH_SAYING or n_requests < 2 * n_gathered:
        return
    takes = (
        f"Opening it took {format_count(n_requests, 'request')}"
        if opening is not None
        else f"A reader that asks for blocks of 64 KiB opens it over a network with about {format_count(n_requests, 'request')}, "
        "one after another"
    )
    yield Finding(
        severity="notice",
        text=f"The file has its metadata in {format_count(layout.n_places, 'place')}, {format_bytes(layout.n_bytes)} in all.",
        consequence=f"{takes}; gathered, about {n_gathered:,}.",
        remedy=remedy(sources[0].name, layout.n_bytes),
    )


def page_bytes_for(n_bytes: int) -> int:
    """A page length that holds all metadata of a file, within reason: a power of two."""
    shortest, longest = _PAGES
    return min(max(1 << max(n_bytes - 1, 1).bit_length(), shortest), longest)


def _repack(name: str, n_bytes: int) -> str:
    return f"h5repack -S PAGE -G {page_bytes_for(n_bytes)} {name} paged_{name}"


_REMEDIES: Mapping[str, Callable[[str, int], str]] = {
    "HDF5": _repack,
    "TIFF": lambda name, _: f"gdal_translate -of COG {name} cog_{name}",
}
"""What gathers metadata, by a word of the format's name."""
