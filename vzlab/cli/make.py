"""Commands that make references and keep them: demo, check, virtualize, refresh, relocate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vzlab import __version__
from vzlab.cli.shared import (
    DIFFERENT,
    FINE,
    Anonymous,
    AsJson,
    Branch,
    ConcatDim,
    Group,
    HtmlFile,
    Options,
    Urls,
    app,
    as_storage_options,
    put,
    show,
    tell,
)
from vzlab.errors import IncompatibleFilesError, MissingDependencyError

Parallel = Annotated[
    Literal["threads", "processes", "lithops"] | None,
    typer.Option("--parallel", help="Where files are opened; without it, one after another."),
]
Scheduler = Annotated[
    str | None, typer.Option("--scheduler", help="Address of a dask scheduler, such as tcp://host:8786.")
]
OnError = Annotated[
    Literal["raise", "skip"],
    typer.Option("--on-error", help="Whether a file that cannot be opened is left out."),
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

    raise typer.Exit(FINE if run(files or [], to, progress=tell, out=put) else DIFFERENT)


@app.command()
def check(
    urls: Urls,
    concat_dim: ConcatDim = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Tell too what encoding the odd files' chunks again would take.")
    ] = False,
    parallel: Parallel = None,
    scheduler: Scheduler = None,
    on_error: OnError = "raise",
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
        "storage_options": as_storage_options(anonymous, option),
        "on_error": on_error,
        "progress": True,
    }
    with _where(parallel, scheduler) as where:
        report = check_combine(urls, parallel=where, **options)
        show(report, html, as_json)
        if plan:
            put(reencode_plan(urls, parallel=where, **options).to_text())
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
    parallel: Parallel = None,
    scheduler: Scheduler = None,
    on_error: OnError = "raise",
    group: Group = None,
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Write references to files, combined if they are several, to Icechunk or Kerchunk. Exit code 1 if they disagree."""
    from vzlab.datasets import open_virtual_mfdataset

    try:
        with _where(parallel, scheduler) as where:
            dataset = open_virtual_mfdataset(
                urls,
                concat_dim=concat_dim,
                on_mismatch=on_mismatch,
                allow=allow or (),
                parallel=where,
                on_error=on_error,
                group=group,
                storage_options=as_storage_options(anonymous, option),
            )
    except IncompatibleFilesError as error:
        put(str(error.report))
        raise typer.Exit(DIFFERENT) from error
    kind = {".json": "json", ".parquet": "parquet", ".parq": "parquet"}.get(Path(to).suffix)
    if kind is None:
        dataset.vzlab.to_icechunk(to, message=f"{len(urls)} sources, by vzlab {__version__}")
    else:
        dataset.vzlab.to_kerchunk(to, format=kind)
    put(f"{dataset.vzlab.n_refs:,} references in {to}")


@contextmanager
def _where(parallel: str | None, scheduler: str | None) -> Iterator[Any]:
    """What opens files: a dask cluster, if its scheduler is named."""
    if scheduler is None:
        yield parallel
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError("distributed", extra="dask", purpose="--scheduler") from error
    make: Any = Client  # which has no types
    with make(scheduler) as client:
        yield client


@app.command()
def refresh(
    repository: Annotated[
        str, typer.Argument(help="An Icechunk repository, or Kerchunk references: path or url.")
    ],
    branch: Branch = "main",
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Parse the files again that changed since they were referred to, and put the new references in their place."""
    from vzlab.testing import refresh as make_anew

    put(str(make_anew(repository, branch=branch, storage_options=as_storage_options(anonymous, option))))


@app.command()
def relocate(
    repository: Annotated[str, typer.Argument(help="An Icechunk repository: path or url.")],
    old: Annotated[str, typer.Argument(help="How the urls of the files begin now.")],
    new: Annotated[str, typer.Argument(help="How they shall begin.")],
    branch: Branch = "main",
    anonymous: Anonymous = False,
    option: Options = None,
) -> None:
    """Point references to files that were moved, in one commit; every file is looked up at its new place first."""
    from vzlab.writers import relocate as move

    options = as_storage_options(anonymous, option)
    put(str(move(repository, {old: new}, branch=branch, storage_options=options)))
