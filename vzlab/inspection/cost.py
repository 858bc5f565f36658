"""What reading a selection takes: chunks, requests, bytes, time and price, from the references alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vzlab.display import Displayed
from vzlab.inspection.plain_json import to_json
from vzlab.inspection.reading_plan import ReadingPlan, narrow, plan_of
from vzlab.inspection.rechunking import Rechunking, rechunk
from vzlab.inspection.resolve import resolve_array
from vzlab.inspection.touched import Touched, touch_chunks
from vzlab.manifests import ManifestArray
from vzlab.manifests.manifest import INLINE, MISSING
from vzlab.storage.chunk_reader import ChunkReader
from vzlab.storage.ranges import merge_ranges

SCHEMA = "vzlab-cost/1"
"""Name and version of the JSON form."""

DERIVED = ("amplification", "decoded_amplification", "time_s", "separate_time_s", "price", "separate_price")
"""Properties that the JSON form has besides the title."""

LISTED_FILES = 100
"""Files that are told one by one, those with the most bytes first."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a request and its bytes cost, in time and money."""

    latency_s: float = 0.05
    """From a request to its first byte."""
    bandwidth_bytes_s: float = 100e6
    """Of all connections together."""
    concurrency: int = 32
    """Requests under way at once."""
    price_per_request: float | None = None
    price_per_gb: float | None = None
    """Of 1e9 bytes that leave the store."""

    def __post_init__(self) -> None:
        if self.latency_s < 0 or self.bandwidth_bytes_s <= 0 or self.concurrency < 1:
            raise ValueError(
                f"Found latency_s={self.latency_s}, bandwidth_bytes_s={self.bandwidth_bytes_s}, "
                f"concurrency={self.concurrency}; expected at least 0, more than 0, at least 1"
            )

    def time_s(self, n_requests: int, n_bytes: int) -> float:
        """Rounds of requests at the latency each, and all bytes at the bandwidth."""
        rounds = math.ceil(n_requests / self.concurrency)
        return rounds * self.latency_s + n_bytes / self.bandwidth_bytes_s

    def price(self, n_requests: int, n_bytes: int) -> float | None:
        """In the currency of the prices; None where none is known."""
        if self.price_per_request is None and self.price_per_gb is None:
            return None
        return n_requests * (self.price_per_request or 0) + n_bytes / 1e9 * (self.price_per_gb or 0)


@dataclass(frozen=True, kw_only=True)
class FileCost:
    """What is read of one file."""

    url: str
    n_chunks: int
    """Each is a request where chunks are asked for one by one."""
    n_requests: int
    stored_bytes: int
    """Of its chunks."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Cost(Displayed):
    """What reading a selection takes. Notebooks show it as HTML, terminals as text.

    Examples
    --------
    >>> import vzlab as vz
    >>> cost = vz.cost("archive/sst_2025-01-01.nc", "sst", (0, 40, 80))
    >>> cost.n_requests, cost.fetched_bytes, cost.amplification
    (1, 1622, 811.0)
    """

    _view: ClassVar = "cost"

    variable: str
    selection: str
    """As Python writes it: ``[0, :, 10:20]``."""
    dims: tuple[str | None, ...]
    shape: tuple[int, ...]
    """Of the array."""
    selected_shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    grid_shape: tuple[int, ...]
    n_chunks: int
    """Touched, missing ones included."""
    n_missing: int
    """Touched and never written: nothing is fetched for them."""
    n_inline: int
    """Touched and held beside the references."""
    n_requests: int
    fetched_bytes: int
    """In these requests: what lies between merged chunks too, and of plain chunks only what is needed where `takes_parts`."""
    gap_bytes: int | None
    """Ranges with at most this much between them are asked for together; None where each chunk is asked for alone."""
    max_request_bytes: int | None
    takes_parts: bool
    """Whether of uncompressed chunks only the bytes from the first to the last selected value are fetched."""
    is_sharded: bool
    """Whether a chunk holds chunks of its own: all of it is counted, although a reader may need a part."""
    n_separate: int
    """Requests with one for each chunk in a file, as Zarr readers ask by themselves."""
    stored_bytes: int
    """Of the chunks in files: what is fetched with one request for each."""
    decoded_bytes: int
    """Of all chunks that are decoded."""
    asked_bytes: int
    """Of the selected values."""
    n_files: int
    files: tuple[FileCost, ...]
    prices: Prices
    rechunking: Rechunking | None = None
    """None for the chunks as they are."""

    @property
    def title(self) -> str:
        """``sst[0, :, 10:20]``."""
        return f"{self.variable}{self.selection}"

    @property
    def amplification(self) -> float:
        """Bytes fetched for each byte asked for; NaN where nothing is asked for."""
        return self.fetched_bytes / self.asked_bytes if self.asked_bytes else math.nan

    @property
    def decoded_amplification(self) -> float:
        """Values decoded for each value asked for; NaN where nothing is asked for."""
        return self.decoded_bytes / self.asked_bytes if self.asked_bytes else math.nan

    @property
    def time_s(self) -> float:
        """Of the requests that are made."""
        return self.prices.time_s(self.n_requests, self.fetched_bytes)

    @property
    def separate_time_s(self) -> float:
        """With one request for each chunk."""
        return self.prices.time_s(self.n_separate, self.stored_bytes)

    @property
    def price(self) -> float | None:
        """Of the requests that are made; None where no price is known."""
        return self.prices.price(self.n_requests, self.fetched_bytes)

    @property
    def separate_price(self) -> float | None:
        """With one request for each chunk; None where no price is known."""
        return self.prices.price(self.n_separate, self.stored_bytes)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, of which ``schema`` is "vzlab-cost/1"."""
        document: dict[str, Any] = to_json(self)
        return {
            "schema": SCHEMA,
            "title": self.title,
            **document,
            **{name: to_json(getattr(self, name)) for name in DERIVED},
        }


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CostComparison(Displayed):
    """Several selections, or several chunkings, side by side."""

    _view: ClassVar = "cost"

    costs: tuple[Cost, ...]

    @property
    def title(self) -> str:
        """``2 ways to read sst``."""
        names = dict.fromkeys(cost.variable for cost in self.costs)
        return f"{len(self.costs)} ways to read {', '.join(names)}"

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form: that of each cost."""
        return {"schema": SCHEMA, "costs": [cost.to_dict() for cost in self.costs]}


def compare_costs(costs: Sequence[Cost]) -> CostComparison:
    """Put several costs side by side: a time series against a map, chunks as they are against others.

    Parameters
    ----------
    costs : sequence of Cost
        In the order in which they are shown.

    Returns
    -------
    CostComparison

    Raises
    ------
    ValueError
        If there is none.
    """
    if not costs:
        raise ValueError("Found no cost to compare; give those of two or more selections")
    return CostComparison(costs=tuple(costs))


def cost(
    x: Any,
    variable: str | None = None,
    selection: Any = (),
    *,
    gap_bytes: int | None = None,
    max_request_bytes: int | None = None,
    latency_s: float = 0.05,
    bandwidth_bytes_s: float = 100e6,
    concurrency: int = 32,
    price_per_request: float | None = None,
    price_per_gb: float | None = None,
    chunks: Sequence[int] | Mapping[str, int] | None = None,
    group: str | None = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Cost:
    """Work out what reading a selection takes; no chunk is fetched.

    Requests are those that vzlab itself makes, when zarr or xarray read the array through a `vzlab.ManifestStore`: of
    remote files close ranges are merged, and of uncompressed chunks only what the selection spans is fetched. Where zarr's
    own codec pipeline is set instead, it is one request for each chunk, which the result tells beside it in any case.

    Time is ``ceil(requests / concurrency) * latency + bytes / bandwidth``: what a reader that keeps all its connections
    busy needs at least, decoding left out.

    Parameters
    ----------
    x, variable, group, registry, storage_options
        As `vzlab.trace` takes them.
    selection
        Integers, slices and 1-D arrays along each axis, as numpy's basic and orthogonal indexing takes them, or a mapping
        of dimension names to those. ``()`` is everything.
    gap_bytes : int, optional
        Another reader: one that fetches whole chunks, and merges those of one file with at most this many bytes between
        them into one request.
    max_request_bytes : int, optional
        With `gap_bytes`: merged ranges that are longer are fetched in parts of about this size, broken between chunks.
    latency_s, bandwidth_bytes_s, concurrency, price_per_request, price_per_gb
        See `Prices`.
    chunks : sequence or mapping of int, optional
        Chunk lengths to work the cost out for, instead of those that the file has. The result says whether references can
        give them, or the values would have to be written again.

    Returns
    -------
    Cost
        ``compare_costs([...])`` puts several side by side.

    Raises
    ------
    IndexError
        If the selection does not fit the array.
    KeyError
        If there is no such variable or dimension.
    VirtualArrayError
        If the variable is not virtual, or nothing can express the selection.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.cost("archive/sst_2025-01-01.nc", "sst", (0, slice(29, 31), slice(59, 61))).n_chunks
    4
    """
    if (gap_bytes or 0) < 0 or (
        max_request_bytes is not None and (max_request_bytes < 1 or gap_bytes is None)
    ):
        raise ValueError(
            f"Found gap_bytes={gap_bytes}, max_request_bytes={max_request_bytes}; expected at least 0, and with it at least "
            "1, or None"
        )
    prices = Prices(
        latency_s=latency_s,
        bandwidth_bytes_s=bandwidth_bytes_s,
        concurrency=concurrency,
        price_per_request=price_per_request,
        price_per_gb=price_per_gb,
    )
    resolved = resolve_array(x, variable, group=group, registry=registry, storage_options=storage_options)
    array, rechunking = resolved.array, None
    plan = plan_of(ChunkReader(array, resolved.registry), array, gap_bytes, max_request_bytes)
    if chunks is not None:
        rechunking = rechunk(array, chunks, resolved.dims)
        array = rechunking.array
    touched = touch_chunks(array.chunk_grid, selection, resolved.dims)
    raw_itemsize = ChunkReader(array, resolved.registry).raw_itemsize if plan.takes_parts else 0
    read = _read(array, touched, plan, raw_itemsize)
    itemsize = array.dtype.itemsize
    return Cost(
        variable=resolved.path,
        selection=touched.text,
        dims=resolved.dims,
        shape=array.shape,
        selected_shape=touched.selected_shape,
        chunk_shape=array.chunk_grid.chunk_shape,
        grid_shape=array.chunk_grid.grid_shape,
        n_chunks=touched.n_chunks,
        gap_bytes=plan.gap_bytes,
        max_request_bytes=plan.max_request_bytes,
        takes_parts=bool(raw_itemsize),
        is_sharded=plan.is_sharded,
        decoded_bytes=_decoded_elements(array, touched, read["present"]) * itemsize - read["left_bytes"],
        asked_bytes=touched.n_selected * itemsize,
        prices=prices,
        rechunking=rechunking,
        **{name: value for name, value in read.items() if name not in ("present", "left_bytes")},
    )


def _read(array: ManifestArray, touched: Touched, plan: ReadingPlan, raw_itemsize: int) -> dict[str, Any]:
    """What is read of which file."""
    manifest = array.manifest
    source = touched.take(manifest.source_index)
    virtual = source < INLINE
    present = None if virtual.all() else source != MISSING
    n_missing = 0 if present is None else source.size - int(np.count_nonzero(present))
    # Empty chunks need no request.
    wanted = virtual & (touched.take(manifest.lengths) > 0)
    numbers = source[wanted].astype(np.int64)
    offsets, lengths = (
        touched.take(column)[wanted].astype(np.int64) for column in (manifest.offsets, manifest.lengths)
    )
    asked_of, begins, sizes = numbers, offsets, lengths
    if raw_itemsize:
        begins, sizes = narrow(array.chunk_grid, touched, wanted, offsets, lengths, raw_itemsize)
    left_bytes = int(lengths.sum() - sizes.sum())
    if plan.gap_bytes is not None:
        merged = merge_ranges(
            numbers, begins, sizes, gap_bytes=plan.gap_bytes, max_bytes=plan.max_request_bytes
        )
        asked_of, sizes = merged.source, merged.lengths
    n_sources = len(manifest.sources)
    n_chunks = np.bincount(numbers, minlength=n_sources)
    n_requests = np.bincount(asked_of, minlength=n_sources)
    stored = np.bincount(numbers, weights=lengths, minlength=n_sources)
    used = np.flatnonzero(n_chunks)
    largest = used[np.argsort(-stored[used], kind="stable")[:LISTED_FILES]]
    return {
        "present": present,
        "left_bytes": left_bytes,
        "n_missing": n_missing,
        "n_inline": source.size - n_missing - int(np.count_nonzero(virtual)),
        "n_requests": len(sizes),
        "fetched_bytes": int(sizes.sum()),
        "n_separate": len(numbers),
        "stored_bytes": int(lengths.sum()),
        "n_files": len(used),
        "files": tuple(
            FileCost(
                url=manifest.sources[number].url,
                n_chunks=int(n_chunks[number]),
                n_requests=int(n_requests[number]),
                stored_bytes=int(stored[number]),
            )
            for number in largest.tolist()
        ),
    }


def _decoded_elements(array: ManifestArray, touched: Touched, present: npt.NDArray[np.bool_] | None) -> int:
    """Elements of all chunks that are decoded, padding included."""
    grid = array.chunk_grid
    along = [grid.stored_lengths(axis)[index] for axis, index in enumerate(touched.indexers)]
    if present is None:
        return math.prod(int(lengths.sum()) for lengths in along)
    total: npt.NDArray[Any] = present.astype(np.int64)
    for lengths in reversed(along):
        total = total @ lengths
    return int(total)
