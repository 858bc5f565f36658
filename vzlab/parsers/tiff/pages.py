"""Which page is an image, a mask, or an overview of which: TIFF 6.0's NewSubfileType, SubIFDs, and GDAL's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vzlab.errors import CorruptFileError
from vzlab.parsers.tiff.layout import page_shape
from vzlab.parsers.tiff.opening import LIBRARY_ERRORS, MAX_PAGES, damaged
from vzlab.storage import Source

_REDUCED, _MASK = 1, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class PageNode:
    """A page and its place in the tree."""

    page: Any
    """``tifffile.TiffPage``"""
    number: int
    """Of its directory in the main chain; for one in a SubIFD, of the directory that has it."""
    name: str
    """Of its variable."""
    group: str = ""
    """Path of its group; empty for the root."""
    sub: int | None = None
    """Position among the SubIFDs of that directory."""
    original: PageNode | None = None
    """The page that it reduces or masks."""
    mask_of: int | None = None
    """Number of the page that it masks."""

    @property
    def path(self) -> str:
        """Of its variable, from the root."""
        return f"{self.group}/{self.name}" if self.group else self.name


def arrange_pages(pages: list[Any], source: Source) -> list[PageNode]:
    """A node for each page, in file order; those in SubIFDs follow the page that has them.

    Reduced pages belong to the last page before them that is not. The first of them is level 1, and so on by falling size;
    a mask is on the level of its size.
    """
    nodes: list[PageNode] = []
    levels: dict[tuple[int, ...], int] = {}
    image: PageNode | None = None
    mask: PageNode | None = None
    n_below = 0
    for number, page in enumerate(pages):
        kind = page.subfiletype if isinstance(page.subfiletype, int) else 0
        if image is not None and kind & _REDUCED:
            node = _overview(page, number, mask if kind & _MASK and mask else image, levels)
        elif image is not None and kind & _MASK:
            node = mask = PageNode(
                page=page, number=number, name=str(number), original=image, mask_of=image.number
            )
        else:
            node = image = PageNode(page=page, number=number, name=str(number))
            mask, levels = None, {}
        nodes.append(node)
        below = _sub_pages(page, source, MAX_PAGES - n_below)
        n_below += len(below)
        for position, sub in enumerate(below):
            kind = sub.subfiletype if isinstance(sub.subfiletype, int) else 0
            if kind & _REDUCED and node is image:
                nodes.append(_overview(sub, number, node, levels, sub=position))
            else:
                nodes.append(
                    PageNode(
                        page=sub,
                        number=number,
                        sub=position,
                        name=str(position),
                        group=f"subifds_of_{node.name}",
                    )
                )
    return nodes


def _overview(
    page: Any, number: int, original: PageNode, levels: dict[tuple[int, ...], int], *, sub: int | None = None
) -> PageNode:
    level = levels.setdefault(page_shape(page)[-2:], len(levels) + 1)
    return PageNode(
        page=page,
        number=number,
        sub=sub,
        name=original.name,
        group=f"overview_{level}",
        original=original,
        mask_of=original.mask_of,
    )


def _sub_pages(page: Any, source: Source, at_most: int) -> list[Any]:
    """Pages in the SubIFDs of a page."""
    if not page.subifds:
        return []
    if len(page.subifds) > at_most:
        raise CorruptFileError(f"{source.url} has more than {MAX_PAGES} SubIFDs, more than can be variables.")
    try:
        return list(page.pages or ())
    except LIBRARY_ERRORS as error:
        raise damaged(source, error) from error
