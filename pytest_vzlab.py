"""The pytest plugin of vzlab: ``--vzlab-report`` keeps the receipts of comparisons; fixtures give archives and an S3 server.

pytest loads it in every run where vzlab is installed, so that it stands outside of the package and imports it only when a
test or the option asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

_RECEIPTS = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--vzlab-report``."""
    parser.getgroup("vzlab").addoption(
        "--vzlab-report",
        metavar="DIR",
        type=Path,
        help="write the receipt (HTML and JSON) of each comparison of virtual with native data into a folder",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep receipts where they are asked for."""
    folder = config.getoption("--vzlab-report")
    if folder is not None:
        config.stash[_RECEIPTS] = import_module("vzlab.testing.receipts").Receipts(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Write what a test compares, under the test's name."""
    receipts = item.config.stash.get(_RECEIPTS, None)
    if receipts is None:
        return (yield)
    listening = import_module("vzlab.testing.announcing").listening
    with listening(lambda comparison: receipts.write(item.nodeid, comparison)):
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was compared, and where the receipts are."""
    receipts = config.stash.get(_RECEIPTS, None)
    if receipts is not None:
        terminalreporter.write_sep("=", "vzlab")
        terminalreporter.write_line(receipts.summary())


@pytest.fixture(scope="session")
def vzlab_archive(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a `vzlab.samples.DailyArchive` of 12 daily files, made once; leave its files as they are."""
    return import_module("vzlab.samples").make_daily_archive(tmp_path_factory.mktemp("vzlab-archive"))


@pytest.fixture
def vzlab_make_archive(tmp_path: Path) -> Callable[..., Any]:
    """Give a function that makes an archive of a test's own, with the options of `vzlab.samples.make_daily_archive`."""
    numbers = iter(range(1_000))

    def make(**options: Any) -> Any:
        folder = tmp_path / f"vzlab-archive-{next(numbers)}"
        return import_module("vzlab.samples").make_daily_archive(folder, **options)

    return make


@pytest.fixture(scope="session")
def _vzlab_s3_process() -> Iterator[Any]:
    pytest.importorskip("moto", reason="the S3 server needs moto: pip install 'vzlab[testing]'")
    with import_module("vzlab.testing.servers.s3_server").serve_s3() as server:
        yield server


@pytest.fixture
def vzlab_s3(_vzlab_s3_process: Any) -> Any:
    """Give an S3 server on loopback (`vzlab.testing.servers.s3_server.S3Server`), with an empty request log."""
    _vzlab_s3_process.clear_requests()
    return _vzlab_s3_process
