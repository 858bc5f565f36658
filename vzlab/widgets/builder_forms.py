"""What each step of the builder asks for: labelled fields, and the call that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import vzlab.parsers
from vzlab.builder import STEPS, Builder, Step
from vzlab.errors import StepError

type Call = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A method of the builder, with what it is told."""

FOUND = "as the file's format asks"


class Fields(Protocol):
    """Makes labelled fields, of one library or another. Each has a `value`."""

    def text(self, label: str, placeholder: str = "") -> Any:
        """A line of text."""

    def lines(self, label: str, placeholder: str = "") -> Any:
        """Several lines of text."""

    def secret(self, label: str, placeholder: str = "") -> Any:
        """A line that is not shown."""

    def choice(self, label: str, options: dict[str, str]) -> Any:
        """One of several values, by what each is called."""

    def yes_or_no(self, label: str) -> Any:
        """True or False, which it is at first."""

    def number(self, label: str) -> Any:
        """A whole number from 0."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The fields of one step."""

    step: Step
    fields: Mapping[str, Any]
    """By name; in the order in which the tabulator goes through them."""
    action: str
    """What its button says."""
    read: Callable[[Mapping[str, Any]], Call]
    """The call that the values of the fields make."""
    fill: Callable[[Mapping[str, Any], Builder], None] = field(default=lambda _, __: None)
    """Sets the fields to what a builder was told."""

    def call(self) -> Call:
        """The call that the fields make now."""
        return self.read({name: each.value for name, each in self.fields.items()})

    def show(self, builder: Builder) -> None:
        """Let the fields say what a builder was told."""
        self.fill(self.fields, builder)


def forms(make: Fields) -> dict[Step, Form]:
    """A form for every step, of fields that are made so."""
    made = (_sources(make), _look(make), _check(), _choose(make), _combine(make), _write(make), _prove(make))
    by_step = {form.step: form for form in made}
    return {step: by_step[step] for step in STEPS}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pairs(text: str, step: Step, example: str) -> dict[str, str]:
    pairs = {}
    for part in _names(text):
        name, mark, value = part.partition("=")
        if not mark or not name.strip():
            raise StepError(f"Found {name.strip()!r} without a value; expected {example}", step=step)
        pairs[name.strip()] = value.strip()
    return pairs


def _sources(make: Fields) -> Form:
    parsers = sorted(name for name in vzlab.parsers.__all__ if name.endswith("Parser") and name != "Parser")

    def read(values: Mapping[str, Any]) -> Call:
        options: dict[str, Any] = {"skip_signature": True} if values["anonymous"] else {}
        options |= _pairs(values["options"], "sources", "NAME=VALUE, NAME=VALUE")
        named = {} if values["parser"] == FOUND else {"parser": values["parser"]}
        lines = [line.strip() for line in values["locations"].splitlines() if line.strip()]
        return "sources", tuple(lines), named | ({"storage_options": options} if options else {})

    def fill(fields: Mapping[str, Any], builder: Builder) -> None:
        sources = builder.chosen_sources
        shown = [each if isinstance(each, str) else each.shown for each in sources.locations]
        fields["locations"].value = "\n".join(shown)
        fields["anonymous"].value = bool(sources.storage_options.get("skip_signature"))
        # What was typed here may be a secret, and fields are saved with the notebook.
        fields["options"].value = ""
        fields["parser"].value = sources.parser or FOUND

    fields = {
        "locations": make.lines("Files", "paths, urls or globs, one a line"),
        "anonymous": make.yes_or_no("Read buckets without credentials"),
        "options": make.secret("Options of the store", "region=eu-west-1, ..."),
        "parser": make.choice("Parser", {name: name for name in (FOUND, *parsers)}),
    }
    return Form(step="sources", fields=fields, action="Take these files", read=read, fill=fill)


def _look(make: Fields) -> Form:
    number = make.number("File number")

    def fill(fields: Mapping[str, Any], builder: Builder) -> None:
        fields["file"].value = builder.looked_at or 0

    return Form(
        step="look",
        fields={"file": number},
        action="Look at it",
        read=lambda values: ("look", (values["file"],), {}),
        fill=fill,
    )


def _check() -> Form:
    return Form(step="check", fields={}, action="Check the files", read=lambda _: ("check", (), {}))


def _choose(make: Fields) -> Form:
    lists = ("variables", "drop_variables", "loadable_variables", "allow")
    fields = {
        "variables": make.text("Keep only", "names, separated by commas; nothing keeps all"),
        "drop_variables": make.text("Drop", "names"),
        "loadable_variables": make.text("Load into memory", "names; nothing loads what indexes a dimension"),
        "group": make.text("Group", "a path, several, or * for all; nothing is the root"),
        "concat_dim": make.text("Files follow each other along", "nothing finds the dimension"),
        "on_mismatch": make.choice(
            "Files that are encoded otherwise",
            {"are refused": "raise", "are encoded as the others": "reencode", "are loaded": "load"},
        ),
        "allow": make.text("Allow", "static, absent, ..."),
        "rename": make.text("Rename", "old=new, old=new"),
    }

    def read(values: Mapping[str, Any]) -> Call:
        chosen: dict[str, Any] = {name: _names(values[name]) for name in lists}
        for name in ("variables", "loadable_variables"):
            chosen[name] = chosen[name] or None
        groups = _names(values["group"])
        chosen["group"] = groups if len(groups) > 1 else groups[0] if groups else None
        dims = _names(values["concat_dim"])
        chosen["concat_dim"] = dims if len(dims) > 1 else dims[0] if dims else None
        chosen["on_mismatch"] = values["on_mismatch"]
        chosen["rename"] = _pairs(values["rename"], "choose", "old=new, old=new")
        return "choose", (), chosen

    def fill(fields: Mapping[str, Any], builder: Builder) -> None:
        choices = builder.choices
        for name in (*lists, "group", "concat_dim"):
            value = getattr(choices, name)
            fields[name].value = value if isinstance(value, str) else ", ".join(value or ())
        fields["on_mismatch"].value = choices.on_mismatch
        fields["rename"].value = ", ".join(f"{old}={new}" for old, new in choices.rename.items())

    return Form(step="choose", fields=fields, action="Choose", read=read, fill=fill)


def _combine(make: Fields) -> Form:
    fields = {
        "variable": make.text("Cost of reading", "a variable; nothing takes the largest"),
        "position": make.text("At", "time=0, lat=3; nothing is all of it"),
    }

    def read(values: Mapping[str, Any]) -> Call:
        if not values["variable"].strip():
            return "combine", (), {}
        pairs = _pairs(values["position"], "combine", "time=0, lat=3")
        try:
            selection = {dim: int(position) for dim, position in pairs.items()}
        except ValueError as error:
            raise StepError(f"{error}: expected whole numbers, as in time=0", step="combine") from None
        return "combine", (values["variable"].strip(),), {"selection": selection} if selection else {}

    return Form(step="combine", fields=fields, action="Combine", read=read)


def _write(make: Fields) -> Form:
    kinds = {"Icechunk": "icechunk", "Kerchunk, JSON": "json", "Kerchunk, Parquet": "parquet"}
    fields = {
        "kind": make.choice("As", kinds),
        "to": make.text("Where to", "a path, or s3://bucket/prefix"),
        "options": make.secret("Options of the store", "region=eu-west-1, ..."),
        "branch": make.text("Branch (Icechunk)", "main"),
        "message": make.text("Message (Icechunk)"),
    }

    def read(values: Mapping[str, Any]) -> Call:
        named: dict[str, Any] = {"kind": values["kind"]}
        if values["kind"] == "icechunk":
            named |= {name: values[name].strip() for name in ("branch", "message") if values[name].strip()}
        if options := _pairs(values["options"], "write", "NAME=VALUE, NAME=VALUE"):
            named["storage_options"] = options
        return "write", (values["to"].strip(),), named

    def fill(fields: Mapping[str, Any], builder: Builder) -> None:
        target = builder.target
        if target.to is not None:
            fields["kind"].value = target.kind
            fields["to"].value = target.to
            fields["branch"].value = "" if target.branch == "main" else target.branch
            fields["message"].value = target.message or ""
        fields["options"].value = ""

    return Form(step="write", fields=fields, action="Write the references", read=read, fill=fill)


def _prove(make: Fields) -> Form:
    fields = {
        "exact": make.yes_or_no("Compare every chunk, not a sample"),
        "receipt": make.text("Keep the receipt as a page", "receipt.html"),
    }

    def read(values: Mapping[str, Any]) -> Call:
        page = values["receipt"].strip()
        return "prove", (), {"exact": values["exact"], **({"receipt": page} if page else {})}

    def fill(fields: Mapping[str, Any], builder: Builder) -> None:
        if builder.proof is not None:
            fields["exact"].value = builder.proof.exact
            fields["receipt"].value = builder.proof.receipt or ""

    return Form(step="prove", fields=fields, action="Verify and compare", read=read, fill=fill)
