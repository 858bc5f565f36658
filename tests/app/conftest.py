"""Servers of the app."""

from __future__ import annotations

import asyncio
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vzlab.webapp import Settings
from vzlab.webapp.server import served, url_of


@contextmanager
def _running(settings: Settings) -> Iterator[str]:
    """Give the url of a server in a thread of this process."""
    started: queue.Queue[Any] = queue.Queue()

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            with served(settings) as server:
                server.start()
                started.put(server)
                server.io_loop.start()
        except Exception as error:
            started.put(error)
            raise
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    server = started.get(timeout=60)
    try:
        yield url_of(server)
    finally:
        server.io_loop.add_callback(server.io_loop.stop)
        thread.join(30)


@pytest.fixture
def serving() -> Iterator[Callable[[Settings], str]]:
    """Give a function that serves the app in this process until the test ends."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(_running(settings))


# What Bokeh writes without anything being wrong: of models that its own client made, and of a browser that left first.
HARMLESS = ("BokehUserWarning: reference already known", "Failed sending message as connection was closed")


@dataclass(frozen=True, kw_only=True)
class AppProcess:
    """``vzlab app`` in a process of its own."""

    url: str
    log: Path

    @property
    def errors(self) -> list[str]:
        """Lines of its log that no server should write."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        bad = [line for line in lines if re.search("error|warning|traceback|exception", line, re.IGNORECASE)]
        return [line for line in bad if not any(harmless in line for harmless in HARMLESS)]


@contextmanager
def app_process(folder: Path, *arguments: str) -> Iterator[AppProcess]:
    """Start ``vzlab app`` on a free port, and end it."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "vzlab", "app", "--port", "0", "--no-browser", *arguments]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=folder) as process:
        try:
            url = None
            for _ in range(3000):
                if (found := re.search(r"http://\S+", log.read_text())) is not None:
                    url = found.group()
                    break
                assert process.poll() is None, log.read_text()
                threading.Event().wait(0.1)
            assert url is not None, log.read_text()
            yield AppProcess(url=url, log=log)
        finally:
            process.terminate()
            process.wait(20)
