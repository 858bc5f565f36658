"""A compatibility report as HTML and as text: the sentence that matters, a matrix of variables and differences, what mends."""

from __future__ import annotations

from vzlab.datasets.findings import FACETS, SEVERITIES, CompatibilityReport, Finding, Severity, differing
from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    Tone,
    callout,
    card,
    code_block,
    details,
    dim,
    element,
    heading,
    join,
    label,
    strong,
    table,
)
from vzlab.render.printable import fold, printable, text_columns

TONES: dict[Severity, Tone] = {
    "merges": "good",
    "harmless": "note",
    "needs a rectilinear grid": "info",
    "needs re-encoding": "warn",
    "refused": "bad",
    "silently wrong elsewhere": "bad",
}
MAX_GROUPS = 6
"""Groups of files that one finding lists in text."""
MAX_ROWS = 60
"""More variables than this are folded: those without a finding go first."""


def to_html(report: CompatibilityReport) -> Markup:
    """The report as one self-contained element."""
    return card(body(report))


def to_text(report: CompatibilityReport, *, width: int | None = None) -> str:
    """The report as text: the gravest findings first, who has what, the code that mends."""
    columns = text_columns(width)
    lines = [report.headline]
    for finding in sorted(report.findings, key=lambda f: SEVERITIES.index(f.severity)):
        mark = "!!" if finding.is_problem else "--"
        lines.append(f" {mark} {finding.sentence}  [{finding.severity}]")
        for holders in finding.holders[:MAX_GROUPS]:
            n_files = f"{holders.n_files:,} file{'s' * (holders.n_files != 1)}"
            lines.append(f"      {n_files}: {holders.value}  ({holders.where}: {report.names_of(holders)})")
        if len(finding.holders) > MAX_GROUPS:
            lines.append(f"      and {len(finding.holders) - MAX_GROUPS:,} more groups of files")
        lines += [f"      > {line}" for line in finding.fix.splitlines()]
    return "\n".join(part for line in lines for part in _folded(printable(line), columns))


def _folded(line: str, columns: int) -> list[str]:
    """Code stays on its line, to be copied."""
    return [line] if line.lstrip().startswith(">") else fold(line, columns, "      ")


def body(report: CompatibilityReport) -> Markup:
    """The report without its card, to stand inside another view."""
    count, _, rest = report.headline.partition(": ")
    parts: list[Content] = [heading(count, rest)]
    parts += [_problem(finding) for finding in report.problems]
    if report.compatible:
        parts.append(callout("These files make one dataset as they are.", tone="good"))
    parts.append(_matrix(report))
    fixes = list(dict.fromkeys(finding.fix for finding in report.problems if finding.fix))
    if fixes:
        parts += [label("What to do"), *(code_block(fix) for fix in fixes)]
    others = [finding for finding in report.findings if not finding.is_problem]
    if others:
        items = [element("div", finding.sentence, " ", dim(finding.severity)) for finding in others]
        parts.append(details(join([strong("Harmless"), dim(str(len(others)))]), items, is_open=True))
    if report.findings:
        parts.append(
            details(join([strong("Who has what"), dim(f"{len(report.files)} files")]), _holders(report))
        )
    return join(parts, "")


def _problem(finding: Finding) -> Markup:
    """What was found in bold, what would follow beside it."""
    found, stop, follows = finding.sentence.partition(". ")
    return callout(strong(found, stop.strip()), " ", follows, " ", dim(finding.severity), tone="bad")


def _matrix(report: CompatibilityReport) -> Markup:
    """Variables by facets: what is the same says so quietly, what differs says what and how often."""
    facets = [f for f in FACETS if f != "presence" or any(x.facet == "presence" for x in report.findings)]
    told = {finding.variable for finding in report.findings}
    shown = [v for v in report.variables if v in told] + [v for v in report.variables if v not in told]
    rows: list[list[Content | Cell]] = [
        [v, *(_cell(report, v, facet) for facet in facets)] for v in shown[:MAX_ROWS]
    ]
    markup = table(rows, header=["", *facets])
    if len(shown) > MAX_ROWS:
        markup = join([markup, dim(f"and {len(shown) - MAX_ROWS} more variables")], "")
    return markup


def _cell(report: CompatibilityReport, variable: str, facet: str) -> Cell:
    finding = report.cell(variable, facet)
    if finding is None:
        return Cell(content=dim("merges"))
    return Cell(content=_short(finding), tone=TONES[finding.severity], note=finding.severity)


def _short(finding: Finding) -> Content:
    """Who has what in a few characters: ``scale_factor 0.01 ×11, scale_factor 0.1 ×1``."""
    if finding.short or not finding.holders:
        return finding.short or "varies"
    values = [differing(holders.value, [h.value for h in finding.holders]) for holders in finding.holders[:3]]
    counts = [holders.n_files for holders in finding.holders]
    text = [f"{value} ×{count}" for value, count in zip(values, counts, strict=False)]
    return join([strong(t) if finding.is_problem else t for t in text], element("br"))


def _holders(report: CompatibilityReport) -> Markup:
    rows: list[list[Content | Cell]] = [
        [
            finding.variable or "dataset",
            finding.facet,
            holders.value,
            f"{holders.n_files:,}",
            f"{holders.where} ({report.names_of(holders)})",
        ]
        for finding in report.findings
        for holders in finding.holders
    ]
    return table(rows[:MAX_ROWS], header=["variable", "what", "value", "files", "which"])
