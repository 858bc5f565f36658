"""What every test can ask for: a browser, JupyterLab, servers on loopback; and how many tests were skipped without real files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# HDF5 reads these once, when it is first loaded: external and virtual sources lie beside their file.
os.environ.setdefault("HDF5_EXTFILE_PREFIX", "${ORIGIN}")
os.environ.setdefault("HDF5_VDS_PREFIX", "${ORIGIN}")

import pytest
from hypothesis import settings

from tests.corpus import CORPUS, SKIP_REASON, corpus_present
from tests.render.browser import launched
from tests.render.lab import jupyter_lab
from tests.servers.http_server import HttpServer, serve_http
from tests.servers.s3_server import S3Server, serve_s3

# A busy machine is no fault: only where a test gives a bound of its own does an example fail for its time.
settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def _s3_process() -> Iterator[S3Server]:
    with serve_s3() as server:
        yield server


@pytest.fixture
def s3(_s3_process: S3Server) -> S3Server:
    """Give the S3 server of this run, with an empty request log; each test makes its own buckets."""
    _s3_process.clear_requests()
    return _s3_process


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Give a headless Chromium, which ends with the module: two never run in one process."""
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def lab(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the url of a JupyterLab in the module's own fixture `folder`, of notebooks that nobody trusts."""
    with jupyter_lab(folder, tmp_path_factory.mktemp("home")) as url:
        yield url


@pytest.fixture
def http_server() -> Iterator[Callable[..., HttpServer]]:
    """Give a function that serves a folder until the test ends: `http_server(root, latency_s=0.01)`."""
    started: list[Any] = []

    def start(root: Path, **options: Any) -> HttpServer:
        context = serve_http(root, **options)
        server = context.__enter__()
        started.append(context)
        return server

    yield start
    for context in reversed(started):
        context.__exit__(None, None, None)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a collection that was asked for by name and is not there."""
    if os.environ.get("VZLAB_CORPUS") and not corpus_present():
        raise pytest.UsageError(f"VZLAB_CORPUS is {CORPUS}: no INDEX.csv there. Correct it, or unset it.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what can be told from where it is: cells of notebooks, tests that start a server."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.notebook)
        elif {"s3", "http_server"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the cells of a notebook, which share a kernel, on one worker; every other test goes where it may.

    The mark `xdist_group` would say this, and has no effect with pytest-xdist 3.8 under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class NotebooksTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if path.endswith(".ipynb") else nodeid

    return NotebooksTogether(config, log) if config.getvalue("dist") == "load" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly how many tests did not run because the collection of real files is absent."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple) and SKIP_REASON in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.section("real files", yellow=True)
        terminalreporter.line(
            f"{len(skipped)} corpus tests SKIPPED: no collection at {CORPUS}. Set VZLAB_CORPUS to its place."
        )
