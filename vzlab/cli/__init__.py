"""The command ``vzlab``: results on stdout, progress on stderr; exit 0 fine, 1 a difference or problem, 2 unusable input."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from vzlab import __version__
from vzlab.cli import learn, make, see, serve, trust  # noqa: F401  each adds its commands
from vzlab.cli.shared import FINE, UNUSABLE, app, put
from vzlab.errors import VzlabError

__all__ = ["app", "main"]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        put(__version__)
        raise typer.Exit(FINE)


def main() -> None:
    """Run the command, with mistakes told in a sentence instead of a traceback."""
    # Icechunk warns of commits at the same time in every local repository, in coloured lines of its own.
    os.environ.setdefault("ICECHUNK_LOG", "error")
    try:
        app()
    except (VzlabError, OSError, IndexError, KeyError, ValueError) as error:
        message = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
        # Icechunk's errors go on with where in its code they arose.
        message = message.partition("\n\ncontext:")[0].strip()
        Console(stderr=True, force_jupyter=False).print(
            f"vzlab: {message}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(UNUSABLE)
