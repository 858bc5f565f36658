"""Results as Markdown: one table for each topic, with the machine they come from."""

from __future__ import annotations

import os
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.harness import LONG_S, OURS, Goal, Result, Unit

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
PACKAGES = (
    *("vzlab", "VirtualiZarr", "kerchunk", "h5py", "zarr", "xarray", "icechunk", "numpy", "numcodecs"),
    *("imagecodecs", "pyarrow", "obstore"),
)
LEGEND = (
    "Times and sizes are medians. Behind vzlab's stand the least and the greatest measurement; behind a peer's, how many "
    "times vzlab's it is: the median over rounds in which both were measured one after the other, then the least and the "
    f"greatest. So 3.0x means that the peer takes three times as long. A peer that takes more than {LONG_S:g} seconds is "
    "measured once. A goal in bold is missed."
)


def topic_table(results: Sequence[Result], *, note: str, full_size: bool) -> str:
    """The results of one topic."""
    peers = list(
        dict.fromkeys(name for result in results for name in result.case.contestants if name != OURS)
    )
    header = [results[0].case.topic, OURS, *peers, "goal"]
    rows = [
        [
            result.case.title,
            _cell(result, OURS),
            *(_cell(result, peer) for peer in peers),
            _goal(result, full_size=full_size),
        ]
        for result in results
    ]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return f"{_lines([header, *rows])}\n\n{note}\n"


def goals_table(results: Sequence[Result], *, full_size: bool) -> str:
    """Every goal, what was measured, and whether that reaches it."""
    rows = [["goal of", "at most", "measured", "reached"]]
    for result in results:
        goal = result.case.goal
        if goal is None:
            continue
        measured = "failed"
        if OURS not in result.failures:
            measured = amount(result.median(OURS), result.case.unit)
            if goal.times in result.samples:
                measured += f", {_ratio(1 / statistics.median(result.ratios(goal.times)))}x {goal.times}"
        reached = result.reaches_goal(full_size=full_size)
        said = "not judged" if reached is None else "yes" if reached else "**no**"
        rows.append(
            [f"{result.case.topic}: {result.case.title}", _said(goal, result.case.unit), measured, said]
        )
    n_reached, n_judged = (sum(row[3] in kinds for row in rows) for kinds in ({"yes"}, {"yes", "**no**"}))
    return f"{_lines(rows)}\n\n{n_reached} of {n_judged} goals are reached.\n"


def _lines(rows: Sequence[Sequence[str]]) -> str:
    """Rows, the first of them a head, as Markdown."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _cell(result: Result, name: str) -> str:
    if name in result.failures:
        return result.failures[name].replace("|", "/")
    if name not in result.samples:
        return ""
    unit = result.case.unit
    median, values = amount(result.median(name), unit), result.samples[name]
    if name == OURS:
        return (
            median
            if len(values) == 1
            else f"{median} ({amount(min(values), unit)}–{amount(max(values), unit)})"
        )
    if OURS in result.failures:
        return median
    ratios = result.ratios(name)
    middle = f"{median}, {_ratio(statistics.median(ratios))}x"
    return middle if len(values) == 1 else f"{middle} ({_ratio(min(ratios))}–{_ratio(max(ratios))})"


def _goal(result: Result, *, full_size: bool) -> str:
    goal, reached = result.case.goal, result.reaches_goal(full_size=full_size)
    if goal is None:
        return ""
    said = f"≤ {_said(goal, result.case.unit)}"
    if reached is None:
        return f"{said} (not judged)"
    return said if reached else f"**{said}**"


def _said(goal: Goal, unit: Unit) -> str:
    return amount(goal.at_most, unit) if goal.times is None else f"{goal.at_most:g}x {goal.times}"


def amount(value: float, unit: Unit) -> str:
    """In three figures, with its unit."""
    if unit in ("requests", "exponent"):
        return f"{value:,.0f}" if unit == "requests" else f"{value:.2f}"
    if unit == "bytes":
        return next(
            f"{_three(value / size)} {name}"
            for name, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e4 / 10), ("B", 1.0))
            if value >= size or name == "B"
        )
    return next(
        f"{_three(value / size)} {name}"
        for name, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
        if value >= size or name == "µs"
    )


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}" if value >= 0.1 else f"{value:.1g}"


def setting(*, form: str) -> str:
    """The machine, how busy it was, and the versions."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} not installed")
    busy = (
        f", load average {os.getloadavg()[1]:.1f} over the last five minutes"
        if hasattr(os, "getloadavg")
        else ""
    )
    return (
        f"{form}, {datetime.now(UTC):%Y-%m-%d}. {_processor()}, {os.cpu_count()} cores{busy}; {platform.system()}, "
        f"Python {platform.python_version()}. {', '.join(versions)}."
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        found = re.search(
            r"^model name\s*:\s*(.+)$", information.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        if found:
            return found[1]
    return platform.processor() or platform.machine() or sys.platform


def replace_results(page: str, results: str) -> str:
    """A page with what stands between its markers replaced.

    Raises
    ------
    ValueError
        If the page does not have each marker once.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"Expected {BEGIN} and behind it {END} in the page, each once")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{results.strip()}\n\n{END}{rest.partition(END)[2]}"
