"""What a click in a builder means, whatever it is drawn with: the call that is made, and what its result shows."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, cast

from vzlab.builder import STEPS, TITLES, Builder, Secret, Step, call
from vzlab.render.html import Content, Markup, Tone, callout, card, details, element, strong
from vzlab.render.spec import matrix_spec
from vzlab.storage import url_name
from vzlab.widgets.builder_forms import Call

_STEP_OF: dict[str, Step] = {"leave_out": "sources", "unique": "sources"}
LISTED = 20
"""Files that are named one by one."""
ENDED = "Ended before it was done. What was opened stays known."
"""What is said of a step that was cancelled."""
PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;background:none;color:inherit"


def step_of(method: str) -> Step:
    """The step that a method of the builder belongs to."""
    return _STEP_OF.get(method) or cast("Step", method)


def completed(builder: Builder, told: Call) -> Call:
    """A call in which what was typed before, and is not shown, is as it was."""
    method, positional, named = told
    sources = builder.chosen_sources
    if method == "choose":
        now = builder.choose(**named).choices if builder.chosen_sources.locations else None
        changed = {name: value for name, value in named.items()
                   if now is None or getattr(now, name) != getattr(builder.choices, name)}  # fmt: skip
        return method, positional, changed
    if method != "sources":
        return told
    hidden = {each.shown: each for each in sources.locations if isinstance(each, Secret)}
    again = tuple(hidden.get(text, text) for text in positional)
    options = {name: value for name, value in sources.storage_options.items() if name != "skip_signature"}
    if again == sources.locations and (options or "storage_options" in named):
        named = {**named, "storage_options": options | named.get("storage_options", {})}
    return method, again, named


def line_of(builder: Builder, told: Call) -> str:
    """The line of Python that a call was, as the builder that it gave keeps it: secrets are look-ups."""
    method, positional, named = told
    if method == "sources":
        positional = builder.chosen_sources.locations
        named = _shown(named, builder.chosen_sources.storage_options)
    elif method == "write":
        named = _shown(named, builder.target.storage_options)
    return f"builder = {call('builder.' + method, *positional, **named)}"


def _shown(named: dict[str, Any], options: Any) -> dict[str, Any]:
    return {**named, "storage_options": options} if options else named


def do(builder: Builder, step: Step, tell: Any) -> Any:
    """Do the work of a step, and give its result."""
    result = builder.run(step, tell)
    if step == "sources":
        _ = builder.format
    return result


def result_html(builder: Builder, step: Step, result: Any) -> str:
    """A step's result, with no secret in it."""
    if step == "sources":
        names = [url_name(url) for url in result]
        more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
        count = f"{len(names):,} file{'s' * (len(names) != 1)}"
        text = f"{count}, {builder.format.name}: {', '.join(names[:LISTED])}{more}"
        return html_of(callout(builder.scrub(text), tone="good"))
    if step == "prove":
        shown = (builder.verification, builder.comparison)
        return builder.scrub("".join(each._repr_html_() for each in shown if each is not None))
    if step == "check":
        count, _, rest = builder.scrub(result.headline).partition(": ")
        tone: Tone = "good" if result.compatible else "bad"
        whole = Markup(builder.scrub(str(result._repr_html_())))
        return html_of(
            callout(strong(count), " ", rest, tone=tone), details("The whole report", whole, is_open=False)
        )
    if hasattr(result, "_repr_html_"):
        return builder.scrub(str(result._repr_html_()))
    return html_of(element("pre", builder.scrub(str(result)), style=PRE))


def matrix_of(builder: Builder) -> dict[str, Any] | None:
    """The matrix of the last check, with no secret in it; None if there is none."""
    report = builder.kept("report")
    if report is None:
        return None
    spec: dict[str, Any] = json.loads(builder.scrub(json.dumps(matrix_spec(report))))
    return spec


def header_of(step: Step, taken: Collection[Step], failed: Collection[Step]) -> str:
    """What the button of a step says: its number and title, and how it stands."""
    stands = " — failed" if step in failed else " — taken" if step in taken else ""
    return f"{STEPS.index(step) + 1}. {TITLES[step]}{stands}"


def error_html(text: str) -> Markup:
    """An error, to be shown at the step that caused it."""
    return callout(element("pre", text, style=PRE), tone="bad")


def html_of(*content: Content) -> str:
    """A piece of HTML of its own."""
    return str(card(*content, upgrade=False))
