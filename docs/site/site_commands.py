"""The page of the command line, from the commands themselves."""

from __future__ import annotations

import typer.cli
import typer.main

from vzlab.cli import app


def commands_page() -> str:
    """Give every command with its arguments and options as Markdown."""
    command = typer.main.get_command(app)
    context = command.make_context("vzlab", [], resilient_parsing=True)
    listing = typer.cli.get_docs_for_click(obj=command, ctx=context, name="vzlab", title="Command line")
    return (
        f"{listing}\n## Exit codes\n\n0: fine. 1: a difference or a problem was found. 2: the input cannot be used. "
        "Results go to stdout, progress to stderr.\n"
    )
