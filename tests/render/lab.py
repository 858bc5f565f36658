"""JupyterLab on this machine, for as long as a test needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.render.browser import Watched

STARTS_WITHIN_S = 90


@contextmanager
def jupyter_lab(folder: Path, home: Path) -> Iterator[str]:
    """Serve a folder of notebooks, none of them trusted; gives the server's url.

    Parameters
    ----------
    folder : Path
        Of the notebooks.
    home : Path
        For settings and signatures: an empty folder knows no notebook, so that none is trusted.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))
    }
    environment |= {"HOME": str(home), "JUPYTER_NO_CONFIG": "1", "IPYTHONDIR": str(home / "ipython")}
    environment |= {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    with (home / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
                *(f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="),
                *(f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"),
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            ],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, server, home / "lab.log")
            yield url
        finally:
            # Its kernels are of its process group.
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(15)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/api", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start: {log.read_text(errors='replace')[-2000:]}")


def opened(browser: Any, url: str, notebook: str, **options: Any) -> Watched:
    """Open a notebook in a workspace of its own, with nothing beside it, and wait for its first output."""
    name = notebook.removesuffix(".ipynb")
    watched = Watched(browser, f"{url}/lab/workspaces/{name}/tree/{notebook}?reset", **options)
    page = watched.page
    page.wait_for_function("window.jupyterapp !== undefined", timeout=60_000)
    page.evaluate("window.jupyterapp.restored.then(() => true)")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    return watched


def command(page: Any, name: str, **arguments: Any) -> None:
    """Run one of JupyterLab's commands and wait until it is done."""
    page.evaluate(
        "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => true)", [name, arguments]
    )


def run_cell(page: Any, number: int) -> None:
    """Run one of the open notebook's code cells, counted from 0."""
    page.locator(".jp-CodeCell").nth(number).locator(".jp-InputArea-editor").click()
    command(page, "notebook:run-cell")
