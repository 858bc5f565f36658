"""Long work beside the kernel: one thread at a time, with progress, that can be ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

_TELLS_EVERY_S = 0.1
"""Progress of one kind is passed on no more often, but for its end: of thousands of files, most would be seen by nobody."""


class CancelledError(BaseException):
    """The work was ended by whoever asked for it. Nothing on its way out takes it for an error of the work."""


class BackgroundWork:
    """Runs one piece of work at a time in a thread.

    Parameters
    ----------
    on_progress : callable
        Told ``(text, done, total)`` from the thread.
    """

    def __init__(self, on_progress: Callable[[str, int, int], None]) -> None:
        self._on_progress = on_progress
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._told = ("", 0.0)

    @property
    def is_running(self) -> bool:
        """Whether something is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(
        self,
        work: Callable[[Callable[[str, int, int], None]], Any],
        on_end: Callable[[Any, BaseException | None], None],
    ) -> None:
        """Begin; `on_end` is told the result, or the error, from the thread.

        Raises
        ------
        RuntimeError
            If something is under way.
        """
        if self.is_running:
            raise RuntimeError("Something is under way: wait for it, or cancel it")
        self._stop.clear()
        self._told = ("", 0.0)

        def run() -> None:
            try:
                result = work(self._tell)
            except BaseException as error:  # noqa: BLE001  told to whoever asked for the work
                on_end(None, error)
            else:
                on_end(result, None)

        self._thread = threading.Thread(target=run, name="vzlab-builder", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End the work where it next tells of its progress."""
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; gives whether it came in time."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return not self.is_running

    def _tell(self, text: str, done: int, total: int) -> None:
        if self._stop.is_set():
            raise CancelledError
        last, told_at = self._told
        if text == last and done < total and time.monotonic() - told_at < _TELLS_EVERY_S:
            return
        self._told = (text, time.monotonic())
        self._on_progress(text, done, total)
