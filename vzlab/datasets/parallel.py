"""Run a function over many files on this machine or on many: retried, counted, and ended cleanly."""

from __future__ import annotations

import errno
import importlib
import itertools
import multiprocessing
import os
import pickle
import platform
import random
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from vzlab.datasets.progress import counting
from vzlab.errors import MissingDependencyError, SourceNotFoundError, VzlabError

type Parallel = Any
"""Where files are opened: None in turn, "threads", "processes", "dask" or "lithops", or what runs functions: an executor of
``concurrent.futures``, a ``distributed.Client``, a ``lithops.FunctionExecutor``."""

type OnError = Literal["raise", "skip"]

WINDOW = 256
"""Batches that are under way at once: what is done is taken before more is asked for."""
MAX_BATCH = 32
"""Files that one task opens at most: a batch travels as one value, and what its files share travels once."""
RETRIES = 3
"""How often a file is tried again after a fault that may pass."""
FIRST_WAIT_S = 0.5
"""Before the first time; every further wait is twice as long."""

_PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
    }
)
# What object stores answer to a request that is wrong: asking again changes nothing. 408 and 429 ask to come again.
_REFUSED = re.compile(r"\b4(?!08|29)\d\d\b|Client error|Range request not supported")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that could not be opened."""

    position: int
    """Of the file among all."""
    name: str
    error: Exception

    @property
    def reason(self) -> str:
        """The error's kind and its first line."""
        text = next((line for line in str(self.error).splitlines() if line.strip()), "")
        return f"{type(self.error).__name__}: {text}" if text else type(self.error).__name__


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one task gave."""

    positions: tuple[int, ...]
    """Of the files that were opened, ascending."""
    value: Any
    """Made of them by the task's second function."""
    failures: tuple[Failure, ...] = ()
    warnings: tuple[tuple[str, type[Warning]], ...] = ()
    """Raised where nobody would see them."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Opens files and makes one value of them; pickled, and run elsewhere."""

    open_one: Callable[[Any], Any]
    pack: Callable[[list[Any]], Any]
    retries: int
    home: tuple[str, int]
    """Machine and process that asked."""

    def __call__(self, files: Sequence[tuple[int, str, Any]]) -> Batch:
        """Open files, each a position, a name and a url, one after another."""
        if self.home == _here():
            return self._run(files)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            batch = self._run(files)
        told = dict.fromkeys((str(each.message), each.category) for each in caught)
        return Batch(
            positions=batch.positions,
            value=batch.value,
            failures=tuple(
                Failure(position=f.position, name=f.name, error=_portable(f.error)) for f in batch.failures
            ),
            warnings=tuple(told),
        )

    def _run(self, files: Sequence[tuple[int, str, Any]]) -> Batch:
        opened, positions, failures = [], [], []
        for position, name, item in files:
            if getattr(_local, "stop", None) is not None and _local.stop.is_set():
                raise CancelledError
            try:
                opened.append(try_again(lambda: self.open_one(item), self.retries))  # noqa: B023  called at once
                positions.append(position)
            except Exception as error:  # noqa: BLE001  it is told, or raised, where the files were asked for
                failures.append(Failure(position=position, name=name, error=error))
        return Batch(positions=tuple(positions), value=self.pack(opened), failures=tuple(failures))


def run_batches(
    open_one: Callable[[Any], Any],
    pack: Callable[[list[Any]], Any],
    items: Sequence[Any],
    names: Sequence[str],
    *,
    parallel: Parallel = None,
    retries: int = RETRIES,
    on_error: OnError = "raise",
    progress: bool = False,
) -> Iterator[Batch]:
    """Open files in batches and give each batch when it is done, in no particular order.

    Parameters
    ----------
    open_one : callable
        Opens one item. With processes or clusters it is pickled, as `pack` is.
    pack : callable
        Makes one value of a batch's opened files.
    items, names : sequence
        What is opened, and what it is called.
    parallel, retries, on_error, progress
        As for `open_virtual_mfdataset`.

    Raises
    ------
    Exception
        With ``on_error="raise"``, what opening the first file that failed raised, with the file's name as a note. What is
        pending is cancelled then, and when the caller is interrupted.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"Found on_error={on_error!r}; expected 'raise' or 'skip'")
    task = Task(open_one=open_one, pack=pack, retries=retries, home=_here())
    files = list(zip(range(len(items)), names, items, strict=True))
    pending: set[Future[Batch]] = set()
    with executor_of(parallel) as pool, counting(len(items), shown=progress) as advance:
        # In turn, every file is a batch of its own: progress is told, and a failure stops the rest at once.
        in_turn = isinstance(pool, _InTurn)
        size = 1 if in_turn else max(1, min(MAX_BATCH, len(files) // 64))

        def take(done: set[Future[Batch]]) -> Iterator[Batch]:
            for future in done:
                batch = future.result()
                for message, category in batch.warnings:
                    warnings.warn(message, category, stacklevel=2)
                if batch.failures and on_error == "raise":
                    raise told(batch.failures[0])
                advance(len(batch.positions) + len(batch.failures), len(batch.failures))
                yield batch

        try:
            for group in itertools.batched(files, size):
                pending.add(pool.submit(task, group))
                if len(pending) >= (1 if in_turn else WINDOW):
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from take(done)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from take(done)
        finally:
            for future in pending:
                future.cancel()


def told(failure: Failure) -> Exception:
    """The error of a file, with a note that names the file."""
    note = f"While opening {failure.name}"
    if note not in getattr(failure.error, "__notes__", ()):
        failure.error.add_note(note)
    return failure.error


# -- again ---------------------------------------------------------------------------------------------------------


def try_again[T](act: Callable[[], T], retries: int, *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Call a function, again after faults that may pass, with waits that double."""
    for attempt in itertools.count():
        try:
            return act()
        except Exception as error:
            if attempt >= retries or not is_passing(error):
                raise
            # Many workers that failed together do not come back together.
            sleep(FIRST_WAIT_S * 2**attempt * (1 + random.random() / 2))
    raise AssertionError


def is_passing(error: BaseException) -> bool:
    """Whether a fault lies with the way to a file and may pass: a lost connection, a server's error, a time-out."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, SourceNotFoundError | FileNotFoundError | PermissionError):
            return False
        if isinstance(link, ConnectionError | TimeoutError):
            return True
        if isinstance(link, OSError) and link.errno in _PASSING:
            return True
        if type(link).__module__.startswith("obstore") and type(link).__name__ in (
            "GenericError",
            "JoinError",
        ):
            return not _REFUSED.search(str(link))
        link = link.__cause__ or link.__context__
    return False


# -- where -------------------------------------------------------------------------------------------------------------


class _InTurn(Executor):
    """Runs what it is given at once, where it is called."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  the future's owner raises it
            future.set_exception(error)
        return future


class _Functions(Executor):
    """Lithops as an executor: each call is a function's run, waited for by a thread."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions
        self._waiting = ThreadPoolExecutor(WINDOW)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if kwargs:
            raise TypeError("A function that runs elsewhere takes positional arguments alone")
        return self._waiting.submit(self._functions.call_async(fn, args).result)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._waiting.shutdown(wait=wait, cancel_futures=cancel_futures)


@contextmanager
def executor_of(parallel: Parallel) -> Iterator[Executor]:
    """The executor that `parallel` names or is; one that is made here ends here, and runs nothing after.

    Raises
    ------
    ValueError, TypeError
        If it is none.
    """
    with ExitStack() as stack:
        if parallel is None:
            yield _InTurn()
        elif parallel in ("threads", "processes"):
            pool, stop = _pool(parallel == "processes")
            stack.callback(pool.shutdown, cancel_futures=True)
            stack.callback(stop.set)  # before the shutdown: tasks end after the file that they are at
            yield pool
        elif parallel == "dask":
            yield _dask_client().get_executor(pure=False)
        elif parallel == "lithops":
            functions = stack.enter_context(_lithops().FunctionExecutor())
            yield stack.enter_context(_Functions(functions))
        elif isinstance(parallel, Executor):
            yield parallel
        elif hasattr(parallel, "get_executor"):  # a distributed.Client
            yield parallel.get_executor(pure=False)
        elif hasattr(parallel, "call_async"):  # a lithops.FunctionExecutor
            yield stack.enter_context(_Functions(parallel))
        else:
            raise (ValueError if isinstance(parallel, str) else TypeError)(
                f"Found parallel={parallel!r}; expected None, 'threads', 'processes', 'dask', 'lithops', an executor of "
                "concurrent.futures, a distributed.Client or a lithops.FunctionExecutor"
            )


def _pool(processes: bool) -> tuple[Executor, Any]:
    """A pool on this machine, and the event that ends its tasks early."""
    if not processes:
        event = threading.Event()
        return ThreadPoolExecutor(initializer=_watch, initargs=(event,)), event
    # Forking copies threads' locks in whatever state they are; a new process has none.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    return ProcessPoolExecutor(mp_context=context, initializer=_start_process, initargs=(stop,)), stop


_local = threading.local()


def _watch(stop: Any) -> None:
    _local.stop = stop


def _start_process(stop: Any) -> None:
    # An interrupt of the terminal goes to all processes; the first one tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch(stop)


def _dask_client() -> Any:
    try:
        from distributed import get_client
    except ImportError as error:
        raise MissingDependencyError("distributed", extra="dask", purpose='parallel="dask"') from error
    try:
        return get_client()
    except ValueError as error:
        raise ValueError(
            'parallel="dask" runs on your cluster, and there is no client: make one first, '
            "client = distributed.Client(...)"
        ) from error


def _lithops() -> Any:
    try:
        return importlib.import_module("lithops")
    except ImportError as error:
        raise ModuleNotFoundError(
            'parallel="lithops" needs lithops, which is not installed and belongs to no extra: pip install lithops'
        ) from error


def _here() -> tuple[str, int]:
    return platform.node(), os.getpid()


def _portable(error: Exception) -> Exception:
    """An error that can be sent back: itself, or its text."""
    try:
        restored = pickle.loads(pickle.dumps(error))  # noqa: S301  what was just pickled
    except Exception:  # noqa: BLE001  anything may be in another library's error
        return VzlabError(f"{type(error).__name__}: {error}")
    return error if type(restored) is type(error) else VzlabError(f"{type(error).__name__}: {error}")
