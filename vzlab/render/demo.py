"""The page that a demo run leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

from vzlab.datasets import CompatibilityReport
from vzlab.inspection import Inspection
from vzlab.render import comparison as comparison_view
from vzlab.render import compatibility as compatibility_view
from vzlab.render import html_view
from vzlab.render.html import Content, callout, card, code_block, element, join, label
from vzlab.render.page import standalone
from vzlab.testing import Comparison

_PYTHON = """import vzlab as vz
import xarray as xr

report = vz.check_combine("archive/*.nc")                 # who differs, in what
cube = vz.open_virtual_mfdataset(files)                   # refused if it would change a number
cube.vzlab.to_icechunk("icechunk")                        # references, no copies
session = vz.open_icechunk("icechunk").readonly_session("main")
ds = xr.open_zarr(session.store, consolidated=False)
print(vz.compare("icechunk", files))                      # virtual against native"""


def to_page(
    *,
    first: Inspection,
    report: CompatibilityReport,
    left_out: Sequence[str],
    cube: Inspection,
    receipts: Sequence[tuple[str, Comparison]],
) -> str:
    """A self-contained page: one file, the check, the cube, and a receipt for each form it was written in."""
    chapters: list[Content] = [
        _chapter("1. One file", html_view.body(first)),
        _chapter(
            "2. Do they make one dataset?",
            compatibility_view.body(report),
            callout(f"Left out of the cube: {', '.join(left_out)}.", tone="note") if left_out else None,
        ),
        _chapter("3. The cube", html_view.body(cube)),
    ]
    chapters += [
        _chapter(f"{n}. {title} against the originals", comparison_view.body(receipt))
        for n, (title, receipt) in enumerate(receipts, start=4)
    ]
    chapters.append(_chapter("The same in Python", code_block(_PYTHON)))
    return standalone(card(join(chapters, "")), title="vzlab: from files to a trusted virtual dataset")


def _chapter(title: str, *content: Content) -> Content:
    return element(
        "div", element("div", label(title), style="font-size:1.25em"), *content, style="margin:0 0 2.2em 0"
    )
