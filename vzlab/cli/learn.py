"""Commands to learn with: lab, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzlab.cli.shared import DIFFERENT, FINE, AsJson, HtmlFile, app, show, tell


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Where the course is copied to.", metavar="DIR")] = Path(
        "vzlab-lab"
    ),
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start JupyterLab there.")] = True,
    port: Annotated[
        int | None, typer.Option("--port", help="Of JupyterLab; the first free one if not given.")
    ] = None,
) -> None:
    """Copy the course to a folder, with samples made, and start JupyterLab there."""
    from vzlab.learn import lab as course

    if start:
        course.jupyter_command(
            folder, browser=browser, port=port
        )  # says what is missing before anything is copied
    course.make_lab(folder, tell=tell)
    raise typer.Exit(course.start(folder, browser=browser, port=port) if start else FINE)


@app.command()
def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what takes long to start.")] = False,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is installed and try what works here, without a network. Exit code 1 if something installed does not."""
    from vzlab.learn import doctor as look

    health = look(full=not quick)
    show(health, html, as_json)
    raise typer.Exit(FINE if health.works else DIFFERENT)
