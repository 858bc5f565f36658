"""The command ``vzlab``: results on stdout, progress on stderr; exit 0 fine, 1 a difference or problem, 2 unusable input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from vzlab import __version__
from vzlab.errors import IncompatibleFilesError, VzlabError

FINE, DIFFERENT, UNUSABLE = 0, 1, 2

app = typer.Typer(
    name="vzlab",
    help="See, build and trust virtual Zarr datasets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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


@app.command()
def demo(
    files: Annotated[
        list[str] | None, typer.Argument(help="Your own files; none makes a sample archive.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder for everything that is made.")] = Path(
        "vzlab-demo"
    ),
) -> None:
    """Do the whole job: inspect, check, combine, write, reopen, compare; with a report as a web page."""
    from vzlab.demo import run

    raise typer.Exit(FINE if run(files or [], to, progress=_progress, out=_print) else DIFFERENT)


@app.command()
def inspect(
    url: Annotated[str, typer.Argument(help="A file: path or url.")],
    html: HtmlFile = None,
    as_json: AsJson = False,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Show what a file holds and how it lies in its bytes."""
    from vzlab.inspection import inspect as inspect_anything

    inspection = inspect_anything(url, group=group, storage_options=_storage_options(anonymous, option))
    _show(inspection, html, as_json)


@app.command()
def diff(
    left: Annotated[str, typer.Argument(help="A file: path or url.")],
    right: Annotated[str, typer.Argument(help="Another one.")],
    html: HtmlFile = None,
    as_json: AsJson = False,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Show what differs between two files, and what follows from it. Exit code 1 if anything does."""
    from vzlab.inspection import diff as diff_of

    found = diff_of(left, right, group=group, storage_options=_storage_options(anonymous, option))
    _show(found, html, as_json)
    raise typer.Exit(DIFFERENT if found else FINE)


@app.command(context_settings={"ignore_unknown_options": True})
def trace(
    url: Annotated[str, typer.Argument(help="A file: path or url.")],
    variable: Annotated[str, typer.Argument(help="Name of a variable, or path in its groups.")],
    index: Annotated[
        str, typer.Argument(help="Position of the value, such as 0,3,-1; nothing for a scalar.")
    ] = "",
    html: HtmlFile = None,
    as_json: AsJson = False,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Follow one value from its bytes to its number. Exit code 1 if the native library reads another."""
    from vzlab.inspection import trace as trace_value

    traced = trace_value(
        url,
        variable,
        _selection(index),
        group=group,
        storage_options=_storage_options(anonymous, option),
    )
    _show(traced, html, as_json)
    raise typer.Exit(DIFFERENT if traced.agrees is False else FINE)


@app.command(context_settings={"ignore_unknown_options": True})
def cost(
    url: Annotated[str, typer.Argument(help="A file: path or url.")],
    variable: Annotated[str, typer.Argument(help="Name of a variable, or path in its groups.")],
    selection: Annotated[
        list[str],
        typer.Argument(help="What to read, such as 0,:,10:20; several are compared.", metavar="SELECTION..."),
    ],
    chunks: Annotated[
        str | None, typer.Option("--chunks", help="Chunk lengths to compare with, such as 365,50,-1.")
    ] = None,
    gap: Annotated[int, typer.Option("--gap", help="Bytes between ranges that are fetched together.")] = 0,
    html: HtmlFile = None,
    as_json: AsJson = False,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Tell what reading a selection takes: chunks, requests, bytes and time."""
    from vzlab.datasets import open_group
    from vzlab.inspection import compare_costs
    from vzlab.inspection import cost as work_out

    tree = open_group(url, storage_options=_storage_options(anonymous, option))
    chunkings = [None, *([_selection(chunks)] if chunks else [])]
    costs = [
        work_out(tree, variable, _selection(text), group=group, gap_bytes=gap, chunks=lengths)
        for text in selection
        for lengths in chunkings
    ]
    _show(costs[0] if len(costs) == 1 else compare_costs(costs), html, as_json)


@app.command()
def check(
    urls: Urls,
    concat_dim: ConcatDim = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Tell too what encoding the odd files' chunks again would take.")
    ] = False,
    html: HtmlFile = None,
    as_json: AsJson = False,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Tell whether files make one honest dataset. Exit code 1 if they do not."""
    from vzlab.datasets import check_combine, reencode_plan

    options: dict[str, Any] = {
        "concat_dim": concat_dim,
        "group": group,
        "storage_options": _storage_options(anonymous, option),
    }
    report = check_combine(urls, **options)
    _show(report, html, as_json)
    if plan:
        _print(str(reencode_plan(urls, **options)))
    raise typer.Exit(FINE if report.compatible else DIFFERENT)


@app.command()
def virtualize(
    urls: Urls,
    to: Annotated[
        str, typer.Option("--to", help="NAME.json or NAME.parquet for Kerchunk; anything else is Icechunk.")
    ],
    concat_dim: ConcatDim = None,
    on_mismatch: Annotated[
        Literal["raise", "reencode", "load"],
        typer.Option("--on-mismatch", help="What to do with files that are encoded otherwise."),
    ] = "raise",
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", help="A refusal to allow, by the name that `check --json` gives."),
    ] = None,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Write references to files, combined if they are several, to Icechunk or Kerchunk. Exit code 1 if they disagree."""
    from vzlab.datasets import open_virtual_mfdataset

    try:
        dataset = open_virtual_mfdataset(
            urls,
            concat_dim=concat_dim,
            on_mismatch=on_mismatch,
            allow=allow or (),
            group=group,
            storage_options=_storage_options(anonymous, option),
        )
    except IncompatibleFilesError as error:
        _print(str(error.report))
        raise typer.Exit(DIFFERENT) from error
    kind = {".json": "json", ".parquet": "parquet", ".parq": "parquet"}.get(Path(to).suffix)
    if kind is None:
        dataset.vzlab.to_icechunk(to, message=f"{len(urls)} sources, by vzlab {__version__}")
    else:
        dataset.vzlab.to_kerchunk(to, format=kind)
    _print(f"{dataset.vzlab.n_refs:,} references in {to}")


@app.command()
def compare(
    virtual: Annotated[str, typer.Argument(help="Icechunk repository, Kerchunk references, or a file.")],
    native: Annotated[list[str], typer.Argument(help="The original files: paths or globs.")],
    exact: Annotated[bool, typer.Option("--exact", help="Every chunk, not a sample.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the random sample.")] = 0,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare virtual against native reads. Exit code 1 unless the verdict is PASS."""
    from vzlab.testing import compare as compare_reads

    comparison = compare_reads(virtual, native, exact=exact, seed=seed, progress=True)
    _show(comparison, html, as_json)
    raise typer.Exit(FINE if comparison.verdict == "PASS" else DIFFERENT)


@app.command()
def verify(
    dest: Annotated[str, typer.Argument(help="Icechunk repository, Kerchunk references, or a file.")],
    branch: Annotated[str, typer.Option("--branch", help="Of a repository.")] = "main",
    html: HtmlFile = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Check references against their files, without reading data. Exit code 1 unless the verdict is PASS."""
    from vzlab.testing import verify as verify_references

    report = verify_references(dest, branch=branch, storage_options=_storage_options(anonymous, option))
    _show(report, html, as_json)
    raise typer.Exit(report.exit_code)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        _print(__version__)
        raise typer.Exit(FINE)


def main() -> None:
    """Run the command, with mistakes told in a sentence instead of a traceback."""
    try:
        app()
    except (VzlabError, FileNotFoundError, IndexError, KeyError, ValueError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        Console(stderr=True).print(
            f"vzlab: {message}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(UNUSABLE)


def _show(report: Any, html: Path | None, as_json: bool) -> None:
    """Print a report, and write it as a page if asked."""
    if html is not None:
        from vzlab.render.page import to_page

        html.write_text(to_page(report), encoding="utf-8")
    _print(json.dumps(report.to_dict(), indent=2, default=str) if as_json else str(report))


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _progress(text: str) -> None:
    Console(stderr=True).print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


def _selection(text: str) -> tuple[Any, ...]:
    """Integers and slices as Python writes them: ``0,:,10:20``."""
    parts: list[Any] = []
    for part in filter(None, text.strip("[] ").replace(" ", "").split(",")):
        try:
            ends = [] if part == "..." else [int(end) if end else None for end in part.split(":")]
            parts.append(... if not ends else ends[0] if len(ends) == 1 else slice(*ends))
        except (ValueError, TypeError) as error:
            raise typer.BadParameter(f"{part!r}: expected integers and slices such as 0,:,10:20") from error
    return tuple(parts)


def _storage_options(anonymous: bool, options: list[str] | None) -> dict[str, Any] | None:
    pairs: dict[str, Any] = {"skip_signature": True} if anonymous else {}
    for option in options or []:
        key, mark, value = option.partition("=")
        if not mark:
            raise typer.BadParameter(f"{option!r}: expected KEY=VALUE")
        pairs[key] = value
    return pairs or None
