"""A verification as HTML and as text: the verdict, files in their states, what is wrong, who can read it."""

from __future__ import annotations

from collections.abc import Sequence

from vzlab.inspection.words import format_count, format_list
from vzlab.render.html import (
    Cell,
    Content,
    Markup,
    Tone,
    callout,
    card,
    details,
    dim,
    heading,
    join,
    label,
    mono,
    pill,
    strong,
    table,
)
from vzlab.render.printable import fold, printable, text_columns
from vzlab.testing.comparison import Finding
from vzlab.testing.verification import Verification, VerifiedArray

SHOWN = 20
"""Files, findings and variables that are listed; more are counted."""

_TONES: dict[str, Tone] = {"PASS": "good", "FAIL": "bad", "UNVERIFIED": "warn"}
_BLIND_SPOT = (
    "Bytes that changed while size, tag and time stayed are seen only by reading them: vz.compare(...)."
)


def to_html(verification: Verification) -> Markup:
    """The report as one self-contained element."""
    return card(body(verification))


def body(verification: Verification) -> Markup:
    """The report without its card, to stand inside another view."""
    tone = _TONES[verification.verdict]
    parts: list[Content] = [
        heading(pill(verification.verdict, tone), " ", verification.subject),
        callout(strong(_sentence(verification)), " ", _next_step(verification), tone=tone),
        dim(_took(verification)),
    ]
    if verification.files:
        files: list[Sequence[Content | Cell]] = [
            [file.url, Cell(content=file.state, tone="bad"), file.reason]
            for file in verification.files[:SHOWN]
        ]
        parts += [
            label("Files", f"{len(verification.files):,}"),
            table(files, header=["url", "state", "why"]),
            _more(len(verification.files)),
        ]
    if verification.findings:
        wrong: list[Sequence[Content | Cell]] = [
            [mono(f.variable or "files"), f.message, f"{f.n_alike:,}", _place(f)]
            for f in verification.findings[:SHOWN]
        ]
        parts += [
            label("What is wrong", f"{len(verification.findings):,}"),
            table(wrong, header=["variable", "what", "times", "first at"]),
            _more(len(verification.findings)),
        ]
    if verification.gaps:
        gaps: list[Sequence[Content | Cell]] = [
            [gap.variable or "all", gap.reason] for gap in verification.gaps[:SHOWN]
        ]
        parts += [label("Not verified"), table(gaps, header=["variable", "why"])]
    chunks: list[Sequence[Content | Cell]] = [
        [mono(a.path), f"{a.n_virtual:,}", f"{a.n_held:,}", f"{a.n_missing:,}", _codecs(a), _readers(a)]
        for a in verification.arrays[:SHOWN]
    ]
    header = ["variable", "references", "held", "never written", "codecs", "read by"]
    summary = join([strong("Variables"), dim(f"{len(verification.arrays):,}")])
    parts.append(
        details(
            summary,
            table(chunks, header=header),
            _more(len(verification.arrays)),
            is_open=not verification.findings,
        )
    )
    return join(parts, "")


def to_text(verification: Verification, *, width: int | None = None) -> str:
    """The report for a terminal of `width` columns; the terminal's own if not given."""
    columns = text_columns(width)
    lines = [
        f"{verification.verdict}: {_sentence(verification)}",
        f"  {verification.subject}",
        f"  {_took(verification)}",
    ]
    lines += [f"  {file.state:<11} {file.url}: {file.reason}" for file in verification.files[:SHOWN]]
    lines += _rest(len(verification.files), "file")
    of_variables = [finding for finding in verification.findings if finding.variable]
    for finding in of_variables[:SHOWN]:
        alike = f" ({finding.n_alike:,} like this)" if finding.n_alike > 1 else ""
        lines.append(f"  {finding.variable}: {finding.message}{alike}; first at {_place(finding)}")
    lines += _rest(len(of_variables), "finding")
    lines += [f"  not verified: {gap.variable or 'all'}: {gap.reason}" for gap in verification.gaps[:SHOWN]]
    lines.append("")
    for array in verification.arrays[:SHOWN]:
        counts = [format_count(array.n_virtual, "reference")]
        counts += [f"{array.n_held:,} held by the store"] if array.n_held else []
        counts += [f"{array.n_missing:,} never written"] if array.n_missing else []
        lines.append(f"  {array.path}: {', '.join(counts)}; {_codecs(array)}; read by {_readers(array)}")
    lines += _rest(len(verification.arrays), "variable")
    lines += ["", _next_step(verification)]
    return "\n".join(part for line in lines for part in fold(printable(line), columns, "    "))


def _sentence(verification: Verification) -> str:
    about = f"{format_count(verification.n_references, 'reference')} to {format_count(verification.n_files, 'file')}"
    match verification.verdict:
        case "PASS":
            return f"{about} fit."
        case "UNVERIFIED":
            return f"{about}; {format_count(len(verification.gaps), 'thing')} could not be verified."
    states: dict[str, int] = {}
    for file in verification.files:
        states[file.state] = states.get(file.state, 0) + 1
    counts = [f"{n:,} {state}" for state, n in states.items()] or [
        format_count(len(verification.findings), "finding")
    ]
    return f"{about}; of the files {format_list(counts)}." if states else f"{about}; {counts[0]}."


def _next_step(verification: Verification) -> str:
    steps = []
    if n := len(verification.to_virtualize):
        steps.append(
            f"vz.refresh(...) makes the references of {'this file' if n == 1 else f'these {n:,} files'} anew."
        )
    if verification.out_of_reach:
        steps.append("Files that moved: vz.relocate(...), or ds.vzlab.rename_urls(...).")
    if verification.n_unrecorded:
        steps.append(
            f"Of {format_count(verification.n_unrecorded, 'file')} neither size, tag nor time was noted when the references "
            "were made, so a change since then that leaves the references inside is not seen."
        )
    return " ".join([*steps, _BLIND_SPOT])


def _took(verification: Verification) -> str:
    requests = format_count(verification.n_requests, "request")
    return f"{requests}, no data read, {verification.elapsed_s:.1f} s"


def _place(finding: Finding) -> str:
    place = f"chunk {list(finding.chunk)}, " if finding.chunk is not None else ""
    if finding.offset is None:
        return place + (finding.source or "")
    return f"{place}{finding.length:,} bytes at {finding.offset:,} of {finding.source}"


def _codecs(array: VerifiedArray) -> str:
    return "codecs of Zarr v2" if array.codecs is None else " > ".join(array.codecs)


def _readers(array: VerifiedArray) -> str:
    if array.codecs is None:
        return "whoever reads Zarr v2"
    with_vzlab = " with vzlab" if any(name.startswith("vzlab.") for name in array.codecs) else ""
    return format_list(array.readers) + with_vzlab if array.readers else "no reader that is known of"


def _more(n: int) -> Content:
    return dim(f"and {n - SHOWN:,} more") if n > SHOWN else None


def _rest(n: int, noun: str) -> Sequence[str]:
    return [f"  and {n - SHOWN:,} more {noun}s"] if n > SHOWN else []
