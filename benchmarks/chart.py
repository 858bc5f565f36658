"""Results of a topic as a picture: how many times what vzlab takes everyone else takes, on a logarithmic axis.

Colours follow the reader's: dark on light, light on dark.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from html import escape

from benchmarks.harness import OURS, Result

_COLOURS = {
    "VirtualiZarr": ("#c2410c", "#fb923c"),
    "kerchunk": ("#7e22ce", "#c084fc"),
    "h5py": ("#047857", "#34d399"),
    "xarray": ("#be185d", "#f472b6"),
    "icechunk": ("#0369a1", "#38bdf8"),
}
_OTHER = ("#57534e", "#a8a29e")
_ROW, _TOP, _LEFT, _WIDTH, _RIGHT = 22, 52, 330, 520, 30
"""Pixels: height of a row, room above, for titles, of the axis, behind it."""


def file_name(topic: str) -> str:
    """Of a topic's picture."""
    return re.sub(r"\W+", "-", topic.lower()).strip("-") + ".svg"


type Row = tuple[str, dict[str, tuple[float, float, float]]]
"""A title, and by contestant how many times what vzlab takes: the middle, the least and the greatest."""

OVERVIEW = "overview.svg"
OVERVIEW_NOTE = (
    "Each dot is the geometric mean over the cases of a topic that the contestant can do, its line from the least to the "
    "greatest of them; how the cases were measured is said below."
)


def topic_chart(results: Sequence[Result]) -> str | None:
    """An SVG document of a row for each case, with the spread over rounds; None where nobody is beside vzlab."""
    rows: list[Row] = []
    for result in _compared(results):
        ratios = {name: result.ratios(name) for name in _peers(result)}
        spread = {name: (statistics.median(found), min(found), max(found)) for name, found in ratios.items()}
        rows.append((result.case.title, spread))
    return _chart(f"{results[0].case.topic}: times what vzlab takes", rows) if rows else None


def overview_chart(results: Sequence[Result]) -> str | None:
    """An SVG document of a row for each topic: the geometric mean of its cases, the least and the greatest of them."""
    rows: list[Row] = []
    for topic in dict.fromkeys(result.case.topic for result in results):
        found: dict[str, list[float]] = {}
        for result in _compared(results):
            # Who is no library: a way of working, or what is in the file.
            for name in _peers(result) if result.case.topic == topic and result.case.in_overview else ():
                if name in _COLOURS:
                    found.setdefault(name, []).append(statistics.median(result.ratios(name)))
        if found:
            spread = {name: (statistics.geometric_mean(r), min(r), max(r)) for name, r in found.items()}
            rows.append((topic, spread))
    return _chart("All topics: times what vzlab takes", rows) if rows else None


def _compared(results: Sequence[Result]) -> list[Result]:
    return [r for r in results if OURS in r.samples and _peers(r) and r.case.unit != "exponent"]


def _chart(title: str, rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for _, ratios in rows for name in ratios))
    found = [max(ratio, 1e-3) for _, ratios in rows for spread in ratios.values() for ratio in spread]
    low, high = math.floor(min(0.0, *map(math.log10, found))), math.ceil(max(0.1, *map(math.log10, found)))

    def x(ratio: float) -> float:
        return _LEFT + _WIDTH * (math.log10(max(ratio, 1e-3)) - low) / (high - low)

    bottom = _TOP + _ROW * len(rows)
    parts = [_head(_LEFT + _WIDTH + _RIGHT, bottom + 52, names, title)]
    for power in range(low, high + 1):
        at = x(10.0**power)
        kind = "one" if power == 0 else "grid"
        label = f"{10**power:,}x" if power >= 0 else f"1/{10**-power:,}"
        parts.append(f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP - 6}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 16}">{label}</text>')
    parts.append(
        f'<text class="more" x="{x(1) + 8:.1f}" y="{bottom + 36}">takes more than vzlab \u2192</text>'
    )
    if low < 0:
        parts.append(f'<text class="less" x="{x(1) - 8:.1f}" y="{bottom + 36}">\u2190 takes less</text>')
    for number, (label, ratios) in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        parts.append(f'<text class="row" x="{_LEFT - 10}" y="{y + 4:.1f}">{escape(label)}</text>')
        parts.append(f'<circle class="ours" cx="{x(1):.1f}" cy="{y:.1f}" r="4"/>')
        for name, (ratio, least, most) in ratios.items():
            said = escape(f"{name}: {ratio:.2g} times what vzlab takes")
            kind = f"c{names.index(name)}"
            parts.append(
                f'<line class="{kind}" x1="{x(least):.1f}" x2="{x(most):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<circle class="{kind}" cx="{x(ratio):.1f}" cy="{y:.1f}" r="5"><title>{said}</title></circle>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _peers(result: Result) -> list[str]:
    return [name for name in result.samples if name != OURS]


def _head(width: int, height: int, names: Sequence[str], title: str) -> str:
    light, dark = [], []
    for number, name in enumerate(names):
        colours = _COLOURS.get(name, _OTHER)
        light.append(f".c{number}{{fill:{colours[0]};stroke:{colours[0]}}}")
        dark.append(f".c{number}{{fill:{colours[1]};stroke:{colours[1]}}}")
    legend = []
    at = 12
    for kind, name in [("ours", OURS), *((f"c{number}", name) for number, name in enumerate(names))]:
        legend.append(f'<circle class="{kind}" cx="{at}" cy="34" r="5"/>')
        legend.append(f'<text x="{at + 10}" y="38">{escape(name)}</text>')
        at += 34 + 7 * len(name)
    style = (
        "text{font:12px system-ui,sans-serif;fill:#1c1917}.row{text-anchor:end}.tick{text-anchor:middle;fill:#57534e}"
        ".more,.less{font-size:11px;fill:#57534e}.less{text-anchor:end}line{stroke-width:1.5}.grid,.one{stroke-width:1}"
        ".grid{stroke:#d6d3d1}.one{stroke:#1c1917}.ours{fill:#1d4ed8}.title{font-weight:600}"
        f"{''.join(light)}@media(prefers-color-scheme:dark){{text{{fill:#f5f5f4}}.tick,.more,.less{{fill:#a8a29e}}"
        f".grid{{stroke:#44403c}}.one{{stroke:#f5f5f4}}.ours{{fill:#60a5fa}}{''.join(dark)}}}"
    )
    title = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f'<title>{title}</title><style>{style}</style><text class="title" x="8" y="16">{title}</text>{"".join(legend)}'
    )
