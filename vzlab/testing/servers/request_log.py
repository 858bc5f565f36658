"""One request as a server saw it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as a server saw it, and what it answered."""

    method: str
    path: str
    """Percent-decoded, with its leading slash and without the query."""
    query: str = ""
    """As sent, without the question mark."""
    range: str | None = None
    """The Range header as sent, such as `bytes=0-99`; None when the whole object was asked for."""
    status: int
    length_bytes: int
    """Of the body sent."""
    started_s: float
    """Seconds since the epoch when the request arrived."""
    duration_s: float

    @property
    def byte_range(self) -> tuple[int, int] | None:
        """Start and exclusive stop of a range with both ends given; None for any other request."""
        if self.range is None or not self.range.startswith("bytes="):
            return None
        start, _, last = self.range.removeprefix("bytes=").partition("-")
        if not (start.isdecimal() and last.isdecimal()):
            return None
        return int(start), int(last) + 1
