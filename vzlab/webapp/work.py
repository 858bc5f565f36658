"""Work of one session: beside the server's loop, one piece at a time, with its requests recorded and its errors in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import panel as pn

from vzlab.builder.secrets import hide_url, scrub, secrets_in
from vzlab.inspection import Recording
from vzlab.storage import StoreRegistry
from vzlab.widgets.background import BackgroundWork, CancelledError

KEPT = 8
"""Recordings that are kept."""


class Work:
    """Runs what takes long for one session.

    Parameters
    ----------
    on_change : callable
        Told, in the session's own turn, that something began, went on or ended: ``(is_busy, words, done, total)``.
    """

    def __init__(self, on_change: Callable[[bool, str, int, int], None]) -> None:
        self.recordings: deque[Recording] = deque(maxlen=KEPT)
        """Requests of what was done, the latest first."""
        self._on_change = on_change
        self._background = BackgroundWork(self._on_progress)
        self._document = pn.state.curdoc

    @property
    def is_running(self) -> bool:
        """Whether something is under way."""
        return self._background.is_running

    def start[T](
        self,
        title: str,
        work: Callable[[StoreRegistry, Callable[[str, int, int], None]], T],
        then: Callable[[T], None],
        failed: Callable[[str, BaseException | None], None],
        *,
        about: Iterable[str] = (),
    ) -> None:
        """Do something beside the loop. If something is under way this is said, and nothing begun.

        Parameters
        ----------
        title : str
            What is done, in words.
        work : callable
            Told a registry that records what is asked of it, and whom to tell of progress.
        then : callable
            Told the result, in the session's own turn.
        failed : callable
            Told what went wrong, in words without secrets, and the error, in the session's own turn.
        about : iterable of str
            Locations that it is about: what of them may be a secret is kept out of words.
        """
        if self.is_running:
            failed("Something else is under way: wait for it, or cancel it.", None)
            return
        recording = Recording(title)
        registry = StoreRegistry(log=recording.log)
        locations = tuple(about)
        self._on_change(True, title, 0, 0)

        def ended(result: Any, error: BaseException | None) -> None:
            recording.finish()
            self.later(lambda: finish(result, error))

        def finish(result: Any, error: BaseException | None) -> None:
            if recording.n_requests:
                self.recordings.appendleft(recording)
            self._on_change(False, "", 0, 0)
            if error is None:
                then(result)
            else:
                failed(told(error, locations), error)

        self._background.start(lambda tell: work(registry, tell), ended)

    def cancel(self) -> None:
        """End what is under way where it next tells of its progress."""
        self._background.cancel()

    def wait(self, timeout_s: float = 60) -> bool:
        """Wait for the end, from Python; gives whether it came in time."""
        return self._background.wait(timeout_s)

    def later(self, do: Callable[[], None]) -> None:
        """Do something in the session's own turn; at once where there is no server."""
        if self._document is not None and self._document.session_context is not None:
            self._document.add_next_tick_callback(do)
        else:
            do()

    def _on_progress(self, text: str, done: int, total: int) -> None:
        self.later(lambda: self._on_change(True, text, done, total))


def told(error: BaseException, locations: Iterable[str] = ()) -> str:
    """An error in words, with nothing in it that may be a secret."""
    if isinstance(error, CancelledError):
        return "Ended before it was done."
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    hidden = [hide_url(location, number) for number, location in enumerate(locations)]
    return scrub(said or type(error).__name__, secrets_in(hidden))
