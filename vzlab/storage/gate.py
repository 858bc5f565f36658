"""Which places this process may touch: all of them, until a gate is set that every read, listing and write must pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Gate(Protocol):
    """Decides about places. One gate holds for the whole process, so that no way of reading goes around it."""

    def check(self, url: str) -> None:
        """Refuse a normalised url, by raising `vzlab.errors.AccessDeniedError`, or let it pass."""

    def http_store(self, base: str) -> Any:
        """The store for ``http`` and ``https`` urls below a base: it must not follow redirects that `check` refuses."""


_gate: Gate | None = None


def set_gate(gate: Gate | None) -> None:
    """Let a gate decide from now on; None lets everything pass."""
    global _gate  # noqa: PLW0603 - one for the process is the point
    _gate = gate


def current_gate() -> Gate | None:
    """The gate that decides now."""
    return _gate


@contextmanager
def gated(gate: Gate) -> Iterator[None]:
    """Let a gate decide as long as the block lasts, in all threads."""
    before = _gate
    set_gate(gate)
    try:
        yield
    finally:
        set_gate(before)


def pass_gate(url: str) -> None:
    """Go on if a place may be touched.

    Raises
    ------
    AccessDeniedError
        If the gate refuses it.
    """
    if _gate is not None:
        _gate.check(url)
