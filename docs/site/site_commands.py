"""The page of the command line, from the commands themselves."""

from __future__ import annotations

import typer.cli
import typer.main

from vzlab.cli import app


def commands_page() -> str:
    """Give every command with its arguments and options as Markdown."""
    group = typer.main.get_command(app)
    context = group.make_context("vzlab", [], resilient_parsing=True)
    rows, parts = [], []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        said = (command.help or "").partition("\n")[0]
        rows.append(f"| [`vzlab {name}`](#vzlab-{name}) | {said} |")
        inner = command.make_context(name, [], parent=context, resilient_parsing=True)
        parts.append(
            typer.cli.get_docs_for_click(obj=command, ctx=inner, indent=1, name=name, call_prefix="vzlab")
        )
    return "\n".join([_HEAD, *rows, "", *parts])


_HEAD = """# Command line

`vzlab COMMAND`, or `python -m vzlab COMMAND`. Results go to stdout, progress to stderr. Exit code 0 is fine, 1 a difference or a
problem that was found, 2 an input that cannot be used.

| command | what it does |
| --- | --- |"""
