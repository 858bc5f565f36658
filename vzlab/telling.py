"""What long work tells of how far it is, to whoever listens: that is also where a listener ends it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

_TELLS_EVERY_S = 0.5

type Listener = Callable[[str, int, int], None]
"""Told of what is done, how much of it is done, and of how much (0 if that is not known). What it raises ends the work."""

# Work stands many calls below whoever asked for it: a listener need not go through all of them.
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def holding[T](variable: ContextVar[T], value: T) -> Iterator[None]:
    """Let a context variable have a value within the block, for this thread or task."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def listening(listener: Listener) -> AbstractContextManager[None]:
    """Let `listener` be told by everything that is called within, in this thread."""
    return holding(_listener, listener)


def tell(text: str, done: int = 0, total: int = 0) -> None:
    """Tell the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(text, done, total)


def told_of[T](text: str, items: Collection[T], *, before: int = 0) -> Iterator[T]:
    """Items in turn, each told of before it is worked on, and the end; `before` says how many more were done already."""
    total = before + len(items)
    for done, item in enumerate(items, start=before):
        tell(text, done, total)
        yield item
    tell(text, total, total)


def results_of[T](text: str, futures: Sequence[Future[T]], *, before: int = 0) -> Iterator[T]:
    """Results in turn, told of also while one does not come: a file far away must not keep a listener from ending the work."""
    total = before + len(futures)
    for done, future in enumerate(told_of(text, futures, before=before), start=before):
        while not wait([future], timeout=_TELLS_EVERY_S).done:
            tell(text, done, total)
        yield future.result()
