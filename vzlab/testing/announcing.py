"""Whoever listens is given each comparison that is made: so does a test run keep its receipts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

from vzlab.telling import holding
from vzlab.testing.comparison import Comparison

type Listener = Callable[[Comparison], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def listening(listener: Listener) -> AbstractContextManager[None]:
    """Give a listener every comparison that is made within the block, by this thread or task."""
    return holding(_listener, listener)


def announced(comparison: Comparison) -> Comparison:
    """The comparison, after it was given to whoever listens."""
    listener = _listener.get()
    if listener is not None:
        listener(comparison)
    return comparison
