"""Commands that say whether references are right: compare, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzlab.cli.shared import (
    Anonymous,
    AsJson,
    Branch,
    HtmlFile,
    Options,
    Virtual,
    app,
    as_storage_options,
    show,
)


@app.command()
def compare(
    virtual: Virtual,
    native: Annotated[
        list[str] | None,
        typer.Argument(help="The original files: paths or globs; none takes those that are referred to."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Every chunk, not a sample.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="With --exact: a file to go on from when stopped.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the random sample.")] = 0,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit XML report.")] = None,
    html: HtmlFile = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Compare virtual against native reads. Exit code 1 unless the verdict is PASS."""
    from vzlab.testing import compare as compare_reads

    comparison = compare_reads(
        virtual,
        native or None,
        exact=exact,
        checkpoint=checkpoint,
        seed=seed,
        storage_options=as_storage_options(anonymous, option),
    )
    if junit is not None:
        comparison.to_junit(junit)
    show(comparison, html, as_json)
    raise typer.Exit(comparison.exit_code)


@app.command()
def verify(
    dest: Virtual,
    branch: Branch = "main",
    html: HtmlFile = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Check references against their files, without reading data. Exit code 1 unless the verdict is PASS."""
    from vzlab.testing import verify as verify_references

    report = verify_references(dest, branch=branch, storage_options=as_storage_options(anonymous, option))
    show(report, html, as_json)
    raise typer.Exit(report.exit_code)
