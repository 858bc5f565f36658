"""What commands share: the application, options that mean the same everywhere, and how results are shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

FINE, DIFFERENT, UNUSABLE = 0, 1, 2

app = typer.Typer(
    name="vzlab",
    help="See, build and trust virtual Zarr datasets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[str, typer.Argument(help="A file: path or url.")]
Virtual = Annotated[str, typer.Argument(help="Icechunk repository, Kerchunk references, or a file.")]
Variable = Annotated[str, typer.Argument(help="Name of a variable, or path in its groups.")]
Branch = Annotated[str, typer.Option("--branch", help="Of a repository.")]
Urls = Annotated[list[str], typer.Argument(help="Files: paths, globs or urls.", metavar="URL...")]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Read buckets without credentials.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="KEY=VALUE for the object store, such as region=eu-west-1."),
]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write the report as a page of its own.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Group = Annotated[str | None, typer.Option("--group", help="Path of a group in the file.")]
ConcatDim = Annotated[
    str | None, typer.Option("--concat-dim", help="The dimension along which files follow each other.")
]


def show(report: Any, html: Path | None, as_json: bool) -> None:
    """Print a report, and write it as a page if asked."""
    if html is not None:
        from vzlab.render.page import to_page

        html.write_text(to_page(report), encoding="utf-8")
    put(json.dumps(report.to_dict(), indent=2, default=str) if as_json else str(report))


def put(text: str) -> None:
    """Give a result, on stdout."""
    sys.stdout.write(text + "\n")


def tell(text: str) -> None:
    """Tell of progress, on stderr."""
    console = Console(stderr=True, force_jupyter=False)
    console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


def read_selection(text: str) -> tuple[Any, ...] | dict[str, Any]:
    """Integers and slices as Python writes them, in order or by the names of dimensions: ``0,:,10:20``, ``time=0,lon=10:20``."""
    names, parts = [], []
    for given in filter(None, text.strip("[] ").replace(" ", "").split(",")):
        name, _, part = given.rpartition("=")
        names.append(name)
        try:
            ends = [] if part == "..." else [int(end) if end else None for end in part.split(":")]
            parts.append(... if not ends else ends[0] if len(ends) == 1 else slice(*ends))
        except (ValueError, TypeError) as error:
            raise typer.BadParameter(
                f"{given!r}: expected integers and slices such as 0,:,10:20 or time=0,lon=10:20"
            ) from error
    if not any(names):
        return tuple(parts)
    if not all(names) or len(set(names)) < len(names):
        raise typer.BadParameter(f"{text!r}: expected a name for each part, each once, or none at all")
    return dict(zip(names, parts, strict=True))


def as_storage_options(anonymous: bool, options: list[str] | None) -> dict[str, Any] | None:
    """Options for object stores; None where there are none."""
    pairs: dict[str, Any] = {"skip_signature": True} if anonymous else {}
    for option in options or []:
        key, mark, value = option.partition("=")
        if not mark:
            raise typer.BadParameter(f"{option!r}: expected KEY=VALUE")
        pairs[key] = value
    return pairs or None
