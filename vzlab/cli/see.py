"""Commands that show what a file is: inspect, diff, trace, cost."""

from __future__ import annotations

from typing import Annotated

import typer

from vzlab.cli.shared import (
    DIFFERENT,
    FINE,
    Anonymous,
    AsJson,
    File,
    Group,
    HtmlFile,
    Options,
    Variable,
    app,
    as_storage_options,
    read_selection,
    show,
)


@app.command()
def inspect(
    url: File,
    html: HtmlFile = None,
    as_json: AsJson = False,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Show what a file holds and how it lies in its bytes."""
    from vzlab.inspection import inspect as inspect_anything

    inspection = inspect_anything(url, group=group, storage_options=as_storage_options(anonymous, option))
    show(inspection, html, as_json)


@app.command()
def formats(html: HtmlFile = None, as_json: AsJson = False) -> None:
    """List the formats that are read, with the options of their parsers and what must be installed."""
    from vzlab.parsers.listing import formats as known_formats

    show(known_formats(), html, as_json)


@app.command()
def diff(
    left: File,
    right: Annotated[str, typer.Argument(help="Another one.")],
    html: HtmlFile = None,
    as_json: AsJson = False,
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Show what differs between two files, and what follows from it. Exit code 1 if anything does."""
    from vzlab.inspection import diff as diff_of

    found = diff_of(left, right, group=group, storage_options=as_storage_options(anonymous, option))
    show(found, html, as_json)
    raise typer.Exit(DIFFERENT if found else FINE)


@app.command(context_settings={"ignore_unknown_options": True})
def trace(
    url: File,
    variable: Variable,
    index: Annotated[
        str,
        typer.Argument(help="Position of the value: 0,3,-1 or time=0,lat=3,lon=-1; nothing for a scalar."),
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
        read_selection(index),
        group=group,
        storage_options=as_storage_options(anonymous, option),
    )
    show(traced, html, as_json)
    raise typer.Exit(DIFFERENT if traced.agrees is False else FINE)


@app.command(context_settings={"ignore_unknown_options": True})
def cost(
    url: File,
    variable: Variable,
    selection: Annotated[
        list[str],
        typer.Argument(
            help="What to read: 0,:,10:20 or time=0,lon=10:20; several are compared.", metavar="SELECTION..."
        ),
    ],
    chunks: Annotated[
        str | None, typer.Option("--chunks", help="Chunk lengths to compare with, such as 365,50,-1.")
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option(
            "--gap", help="Bytes between chunks that are fetched together; as vzlab reads if not given."
        ),
    ] = None,
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

    tree = open_group(url, storage_options=as_storage_options(anonymous, option))
    chunkings = [None, *([read_selection(chunks)] if chunks else [])]
    costs = [
        work_out(tree, variable, read_selection(text), group=group, gap_bytes=gap, chunks=lengths)
        for text in selection
        for lengths in chunkings
    ]
    show(costs[0] if len(costs) == 1 else compare_costs(costs), html, as_json)
