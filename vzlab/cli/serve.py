"""The command that starts the app."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from vzlab.cli.shared import app, tell


@app.command(name="app")
def start(
    urls: Annotated[
        list[str] | None, typer.Argument(help="Files to offer: paths or urls.", metavar="[URL]...")
    ] = None,
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 5006,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open a browser.")
    ] = True,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root",
            help="Directory of local files that may be opened; the working directory if none is given.",
        ),
    ] = None,
    allow_url: Annotated[
        list[str] | None,
        typer.Option("--allow-url", help="Prefix of urls that may be opened, such as s3://bucket/prefix."),
    ] = None,
    address: Annotated[
        str, typer.Option("--address", help="To listen on; any that is not loopback needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            "--token", help="Asked for before anything is shown.", envvar="VZLAB_TOKEN", show_envvar=True
        ),
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="HOST:PORT by which browsers know this server.")
    ] = None,
) -> None:
    """Explore, build and compare in a browser. Only what is named, or below --root and --allow-url, can be opened."""
    from vzlab.webapp import Settings, serve
    from vzlab.webapp.server import policy_of

    sources = tuple(urls or ())
    settings = Settings(
        policy=policy_of(sources, root or (), allow_url or ()),
        sources=sources,
        address=address,
        port=port,
        token=token,
        origins=tuple(origin or ()),
    )

    def ready(url: str) -> None:
        tell(f"vzlab app: {url} (Ctrl+C ends it)")
        if browser:
            webbrowser.open(url)

    serve(settings, ready=ready)
