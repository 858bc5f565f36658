"""Commands that say whether references are right: compare, verify."""

from __future__ import annotations

from typing import Annotated

import typer

from vzlab.cli.shared import (
    DIFFERENT,
    FINE,
    Anonymous,
    AsJson,
    HtmlFile,
    Options,
    app,
    as_storage_options,
    show,
)


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
    show(comparison, html, as_json)
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

    report = verify_references(dest, branch=branch, storage_options=as_storage_options(anonymous, option))
    show(report, html, as_json)
    raise typer.Exit(report.exit_code)
