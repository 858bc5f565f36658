"""A builder as static HTML and as text: what a saved notebook shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vzlab.builder.choices import STEPS, TITLES
from vzlab.render.html import (
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
    pill,
)

if TYPE_CHECKING:
    from vzlab.builder.builder import Builder


def to_html(builder: Builder) -> str:
    """A builder as a notebook shows it."""
    return str(card(to_markup(builder)))


def to_markup(builder: Builder) -> Markup:
    """The steps that were taken, what is known of them, and the program; nothing is worked out for it."""
    taken = {block.step: block.code for block in builder.log}
    steps = [
        element(
            "li",
            TITLES[step],
            " ",
            pill("taken", "good") if step in taken else dim("not taken"),
            style="margin:.1em 0",
        )
        for step in STEPS
    ]
    parts: list[Content] = [
        heading("Builder", f"{len(taken)} of {len(STEPS)} steps"),
        element("ol", steps, style="margin:.3em 0;padding-left:1.6em"),
        *_known(builder),
        label("The same in Python", "run alone, it makes the same references"),
        code_block(builder.code()),
    ]
    return Markup(builder.scrub(join(parts, "")))


def _known(builder: Builder) -> list[Content]:
    """What was worked out already."""
    shown: list[Content] = []
    for name, title in (("inspection", "The file"), ("report", "The check"), ("preview", "The cube")):
        result = builder.kept(name)
        if result is not None:
            markup = getattr(result, "_repr_html_", None)
            body = (
                code_block(str(result))
                if markup is None
                else element("pre", str(result), style="overflow-x:auto")
            )
            shown.append(details(title, body))
    if builder.written is not None:
        shown.append(callout(builder.written))
    if builder.comparison is not None:
        comparison = builder.comparison
        tone: Tone = "good" if comparison.verdict == "PASS" else "bad"
        shown.append(callout(f"{comparison.verdict}: {comparison.coverage}", tone=tone))
    return shown
