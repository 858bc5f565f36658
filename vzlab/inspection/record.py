"""Record the requests of anything run in a block: how many, when, what for, and which bytes came twice."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vzlab.display import Displayed
from vzlab.inspection.other_readers import others_listened_to
from vzlab.inspection.plain_json import to_json
from vzlab.storage import Request, RequestLog
from vzlab.storage.ranges import merge_ranges

SCHEMA = "vzlab-recording/1"
"""Name and version of the JSON form."""

TOLD = (
    *("n_requests", "n_metadata", "n_data", "n_repeats", "total_bytes", "wasted_bytes"),
    *("elapsed_s", "busy_s", "files", "requests"),
)
"""Properties that the JSON form has besides the title."""


@dataclass(frozen=True, kw_only=True)
class FileRequests:
    """What was asked of one file."""

    url: str
    n_requests: int
    n_bytes: int
    wasted_bytes: int
    """Bytes that came more than once, without their first coming."""


class Recording(Displayed):
    """The requests of a block. Notebooks show it as HTML, terminals as text.

    It fills while the block runs, and stays as it is after that.

    Examples
    --------
    >>> import vzlab as vz
    >>> with vz.record("opening a file") as recording:
    ...     ds = vz.open_virtual_dataset("archive/sst_2025-01-01.nc")
    >>> recording.n_requests == recording.n_metadata + recording.n_data
    True
    """

    _view: ClassVar = "waterfall"

    def __init__(self, title: str = "Recording") -> None:
        self.title = title
        self.log = RequestLog()
        """What requests are added to: by `record`, or by a registry that was made with it."""
        self._frozen: tuple[Request, ...] | None = None
        self._began_s = time.perf_counter()
        self._took_s: float | None = None

    def finish(self) -> None:
        """Keep what was recorded so far, and nothing that comes."""
        self._took_s = time.perf_counter() - self._began_s
        self._frozen = self.requests

    @property
    def requests(self) -> tuple[Request, ...]:
        """In the order in which they began."""
        if self._frozen is not None:
            return self._frozen
        return tuple(sorted(self.log.requests, key=lambda request: request.started_s))

    @property
    def elapsed_s(self) -> float:
        """From the beginning of the block to its end, or to now."""
        return self._took_s if self._took_s is not None else time.perf_counter() - self._began_s

    @property
    def columns(self) -> RequestColumns:
        """The requests as columns."""
        return self._columns if self._frozen is not None else RequestColumns.of(self.requests)

    @cached_property
    def _columns(self) -> RequestColumns:
        return RequestColumns.of(self.requests)

    def __len__(self) -> int:
        return len(self.requests)

    @property
    def n_requests(self) -> int:
        """Requests in all."""
        return len(self.requests)

    @property
    def n_metadata(self) -> int:
        """Requests that opened files or were made by parsers."""
        return self.n_requests - self.n_data

    @property
    def n_data(self) -> int:
        """Requests for chunks."""
        return int(self.columns.is_data.sum())

    @property
    def total_bytes(self) -> int:
        """Bytes asked for."""
        return int(self.columns.lengths.sum())

    @property
    def n_repeats(self) -> int:
        """Requests for nothing but bytes that came before."""
        return int(self.columns.is_repeat.sum())

    @property
    def wasted_bytes(self) -> int:
        """Bytes that came more than once, without their first coming."""
        return sum(file.wasted_bytes for file in self.files)

    @property
    def busy_s(self) -> float:
        """Time in which at least one request was under way."""
        columns = self.columns
        if not len(columns.started_s):
            return 0.0
        order = np.argsort(columns.started_s, kind="stable")
        starts, ends = columns.started_s[order], np.maximum.accumulate(columns.ended_s[order])
        idle = np.maximum(starts[1:] - ends[:-1], 0).sum()
        return float(ends[-1] - starts[0] - idle)

    @property
    def files(self) -> tuple[FileRequests, ...]:
        """Per file, those with the most bytes first."""
        columns = self.columns
        merged = merge_ranges(columns.file, columns.offsets, columns.lengths)
        n = len(columns.urls)
        n_requests = np.bincount(columns.file, minlength=n)
        n_bytes = np.zeros(n, np.int64)
        np.add.at(n_bytes, columns.file, columns.lengths)
        distinct = np.zeros(n, np.int64)
        np.add.at(distinct, merged.source, merged.lengths)
        return tuple(
            FileRequests(
                url=columns.urls[number],
                n_requests=int(n_requests[number]),
                n_bytes=int(n_bytes[number]),
                wasted_bytes=int(n_bytes[number] - distinct[number]),
            )
            for number in np.argsort(-n_bytes, kind="stable").tolist()
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, of which ``schema`` is "vzlab-recording/1"."""
        told = {name: to_json(getattr(self, name)) for name in TOLD}
        return {"schema": SCHEMA, "title": self.title, **told}


@dataclass(frozen=True, kw_only=True, eq=False)
class RequestColumns:
    """Requests as columns of shape ``(n,)``, in the order in which they began."""

    urls: tuple[str, ...]
    file: npt.NDArray[np.int64]
    """Position in `urls`."""
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    started_s: npt.NDArray[np.float64]
    ended_s: npt.NDArray[np.float64]
    is_data: npt.NDArray[np.bool_]
    is_repeat: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, requests: Sequence[Request]) -> RequestColumns:
        """Columns of requests."""
        urls = {url: n for n, url in enumerate(dict.fromkeys(request.url for request in requests))}
        seen: dict[int, list[tuple[int, int]]] = {}
        file = np.array([urls[request.url] for request in requests], np.int64)
        offsets = np.array([request.offset for request in requests], np.int64)
        lengths = np.array([request.length for request in requests], np.int64)
        repeats = np.zeros(len(requests), bool)
        for number in range(len(requests)):
            repeats[number] = _cover(
                seen.setdefault(int(file[number]), []),
                int(offsets[number]),
                int(offsets[number] + lengths[number]),
            )
        return cls(
            urls=tuple(urls),
            file=file,
            offsets=offsets,
            lengths=lengths,
            started_s=np.array([request.started_s for request in requests], np.float64),
            ended_s=np.array([request.ended_s for request in requests], np.float64),
            is_data=np.array([request.kind == "chunk" for request in requests], bool),
            is_repeat=repeats,
        )


def _cover(covered: list[tuple[int, int]], start: int, stop: int) -> bool:
    """Add a range to those that are covered, disjoint and ascending; whether all of it was already."""
    if start >= stop:
        return False
    low = bisect_left(covered, start, key=lambda part: part[1])
    high = bisect_right(covered, stop, key=lambda part: part[0])
    inside = low < high and covered[low][0] <= start and stop <= covered[low][1]
    if not inside:
        touching = covered[low:high]
        covered[low:high] = [
            (min([start, *(a for a, _ in touching)]), max([stop, *(b for _, b in touching)]))
        ]
    return inside


@contextmanager
def record(title: str = "Recording") -> Iterator[Recording]:
    """Record every request that is made while the block lasts, in all threads: by vzlab, and by others.

    Seen are vzlab's own sources (parsing, loading, what Zarr or xarray read through a `ManifestStore`; local files too), all
    that goes through obstore or fsspec, and zarr's ``LocalStore``: so that two tools can be put side by side. Chunks of theirs
    are told from metadata by their Zarr keys alone. Not seen is what compiled libraries read by themselves: Icechunk, and HDF5
    with a path on this machine.

    Parameters
    ----------
    title : str
        What the recording is called.

    Yields
    ------
    Recording
        What was requested so far; it ends with the block.

    Examples
    --------
    >>> with record("open") as recording:
    ...     pass
    >>> recording.n_requests
    0
    """
    recording = Recording(title)
    with recording.log.listening(), others_listened_to():
        try:
            yield recording
        finally:
            recording.finish()


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class RecordingComparison(Displayed):
    """Several recordings on one scale of time."""

    _view: ClassVar = "waterfall"

    recordings: tuple[Recording, ...]

    @property
    def title(self) -> str:
        """``parser A and parser B``."""
        return " and ".join(recording.title for recording in self.recordings)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form: that of each recording."""
        return {"schema": SCHEMA, "recordings": [recording.to_dict() for recording in self.recordings]}


def compare_recordings(recordings: Sequence[Recording]) -> RecordingComparison:
    """Put recordings side by side: one parser against another, merged requests against single ones.

    Parameters
    ----------
    recordings : sequence of Recording
        In the order in which they are shown.

    Returns
    -------
    RecordingComparison

    Raises
    ------
    ValueError
        If there is none.
    """
    if not recordings:
        raise ValueError("Found no recording to compare; give two or more")
    return RecordingComparison(recordings=tuple(recordings))
