"""Write references: to Icechunk, and as Kerchunk JSON and Parquet."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import icechunk
import xarray as xr
import zarr

from benchmarks import memory, references
from benchmarks.files import Files
from benchmarks.harness import Case, Contestant, Goal, Measure, Unit, require, wall
from benchmarks.references import BUCKET_PREFIX, PREFIX, Columns, columns_of_files
from benchmarks.scale import Scale
from vzlab.writers import write_icechunk

TOPIC = "Write references"
NOTE = (
    "One variable with references into 100 local files, or objects where it says so. Icechunk writes to a repository in "
    "memory; `set` is all before the commit. The column icechunk is its own bulk call, given columns and lists of urls that "
    "are ready; it checks the url of every chunk, vzlab that of every file. Kerchunk references go to a temporary folder; "
    "VirtualiZarr writes Parquet through kerchunk. Memory is what a process grows by at most; ten commits are each of a "
    "million references."
)

MOST_S = {"set": 0.4, "json": 1.5, "parquet": 0.4}
"""For a million references."""

type Step = Literal["set", "commit"]
type Format = Literal["json", "parquet"]
type SetReferences = Callable[[icechunk.Session], object]


def cases(scale: Scale, _files: Files) -> Iterator[Case]:
    """Each format, for the largest number of references."""
    steps: tuple[Step, ...] = ("set", "commit")
    formats: tuple[Format, ...] = ("json", "parquet")
    n_chunks = max(scale.n_chunks)
    parts = partial(columns_of_files, n_chunks, scale.n_manifests)
    setters = {"vzlab": _vzlab, "icechunk": bulk_call, "VirtualiZarr": _virtualizarr}
    for step in steps:
        contestants: dict[str, Contestant] = {
            name: partial(_icechunk, step, setter, parts) for name, setter in setters.items()
        }
        title = f"Icechunk, {n_chunks:,} references: {step}"
        yield Case(
            topic=TOPIC,
            title=title,
            contestants=contestants,
            goal=_goal(step, n_chunks),
            repeats=scale.slow_repeats,
            warm_up=n_chunks < 1_000_000,
        )
    in_bucket = partial(columns_of_files, n_chunks, scale.n_manifests, BUCKET_PREFIX)
    yield Case(
        topic=TOPIC,
        title=f"Icechunk, {n_chunks:,} references into a bucket: set",
        contestants={
            name: partial(_icechunk, "set", setters[name], in_bucket) for name in ("vzlab", "icechunk")
        },
        goal=_goal("set", n_chunks),
        repeats=scale.slow_repeats,
        warm_up=n_chunks < 1_000_000,
    )
    appenders: dict[str, Callable[[list[Columns]], SetReferences]] = {
        "vzlab": _vzlab_append,
        "VirtualiZarr": _virtualizarr_append,
    }
    yield Case(
        topic=TOPIC,
        title=f"Icechunk, {n_chunks:,} references: one more file appended",
        contestants={
            name: partial(_appended, setters[name], appender, parts) for name, appender in appenders.items()
        },
        repeats=scale.slow_repeats,
        warm_up=n_chunks < 1_000_000,
    )
    for format_ in formats:
        contestants = {
            "vzlab": partial(_vzlab_kerchunk, format_, parts),
            "VirtualiZarr": partial(_virtualizarr_kerchunk, format_, parts),
        }
        yield Case(
            topic=TOPIC,
            title=f"Kerchunk {format_}, {n_chunks:,} references",
            contestants=contestants,
            goal=_goal(format_, n_chunks),
            repeats=scale.slow_repeats,
            warm_up=n_chunks < 1_000_000,
        )

    if n_chunks >= 1_000_000:
        yield from _in_a_process_of_their_own(scale)


def _in_a_process_of_their_own(scale: Scale) -> Iterator[Case]:
    """Memory of a million references, and ten million in commits of a million."""

    def rows(n_references: int, work: memory.Work, names: Sequence[str]) -> dict[Unit, dict[str, Contestant]]:
        return {
            unit: {name: partial(_one_measurement, name, n_references, work, unit) for name in names}
            for unit in ("s", "bytes")
        }

    most = max(scale.n_chunks)
    ours = Goal(at_most=1.3, times="icechunk")
    alone = {"repeats": 1, "warm_up": False}
    yield Case(
        topic=TOPIC,
        title=f"Icechunk, {most:,} references: memory of set",
        contestants=rows(most, "set", ["vzlab", "icechunk", "VirtualiZarr"])["bytes"],
        unit="bytes",
        goal=Goal(at_most=100e6),
        **alone,
    )
    many = rows(10 * most, "batches", ["vzlab", "icechunk"])
    what = f"Icechunk, {10 * most:,} references, 10 commits on disk"
    yield Case(topic=TOPIC, title=what, contestants=many["s"], goal=ours, **alone)
    yield Case(
        topic=TOPIC, title=f"{what}: memory", contestants=many["bytes"], unit="bytes", goal=ours, **alone
    )


def _one_measurement(name: str, n_references: int, work: memory.Work, unit: Unit) -> Measure:
    def measure() -> float:
        taken = memory.taken(name, n_references, work)
        return taken.seconds if unit == "s" else float(taken.n_bytes)

    return measure


def _goal(what: str, n_chunks: int) -> Goal | None:
    """Of a million references, the number that it is set for."""
    most_s = MOST_S.get(what)
    return Goal(at_most=most_s) if n_chunks == 1_000_000 and most_s is not None else None


# -- Icechunk ----------------------------------------------------------------------------------------------------------


def repository_in(storage: icechunk.Storage, *, rows_split: int | None = None) -> icechunk.Repository:
    """A new one that may refer to the files, its manifests split after so many rows of chunks."""
    config = icechunk.RepositoryConfig.default()
    local = icechunk.local_filesystem_store(PREFIX.removeprefix("file://"))
    bucket = icechunk.s3_store(region="us-east-1")
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(PREFIX, local, name="archive"))
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(BUCKET_PREFIX, bucket, name="bucket"))
    if rows_split is not None:
        along = {icechunk.ManifestSplitDimCondition.DimensionName("time"): rows_split}
        splitting = icechunk.ManifestSplittingConfig.from_dict(
            {icechunk.ManifestSplitCondition.AnyArray(): along}
        )
        config.manifest = icechunk.ManifestConfig(splitting=splitting)
    return icechunk.Repository.create(storage, config=config)


def _repository() -> icechunk.Repository:
    """A new one in memory."""
    return repository_in(icechunk.in_memory_storage())


def session_in_memory() -> icechunk.Session:
    """Of a new repository in memory."""
    return _repository().writable_session("main")


def _icechunk(
    step: Step, setter: Callable[[list[Columns]], SetReferences], parts: Callable[[], list[Columns]]
) -> Measure:
    set_references = setter(parts())

    def changed() -> icechunk.Session:
        session = session_in_memory()
        set_references(session)
        return session

    x = zarr.open_array(changed().store, path="x", mode="r")
    last = [n - 1 for n in x.cdata_shape]
    kind = changed().chunk_type("/x", last)
    require(kind == icechunk.ChunkType.virtual, f"the last chunk is {kind}")
    if step == "set":
        return wall(set_references, session_in_memory)
    return wall(lambda session: session.commit("Write references"), changed)


def _appended(
    setter: Callable[[list[Columns]], SetReferences],
    appender: Callable[[list[Columns]], SetReferences],
    parts: Callable[[], list[Columns]],
) -> Measure:
    """Time the last file's references, appended to those of all others, commit included."""
    *first, last = parts()
    set_first, append_last = setter(first), appender([last])

    def begun() -> icechunk.Repository:
        repository = _repository()
        session = repository.writable_session("main")
        set_first(session)
        session.commit("Write references")
        return repository

    def append(repository: icechunk.Repository) -> icechunk.Repository:
        session = repository.writable_session("main")
        append_last(session)
        session.commit("Append references")
        return repository

    after = append(begun()).readonly_session("main")
    x = zarr.open_array(after.store, path="x", mode="r")
    require(
        after.chunk_type("/x", [n - 1 for n in x.cdata_shape]) == icechunk.ChunkType.virtual, "not appended"
    )
    return wall(append, begun)


def _vzlab_append(parts: list[Columns]) -> SetReferences:
    dataset = references.virtual_dataset(parts)
    return lambda session: write_icechunk(dataset, session, append_dim="time")


def _virtualizarr_append(parts: list[Columns]) -> SetReferences:
    from benchmarks import virtualizarr_peer

    dataset = virtualizarr_peer.virtual_dataset(parts)
    return lambda session: dataset.vz.to_icechunk(session.store, append_dim="time")


def _vzlab(parts: list[Columns]) -> SetReferences:
    dataset = references.virtual_dataset(parts)
    return lambda session: write_icechunk(dataset, session)


def bulk_call(parts: list[Columns]) -> SetReferences:
    """Icechunk's own call, one for each file."""
    urls = [[columns.url] * columns.offsets.size for columns in parts]
    grids = [columns.offsets.shape for columns in parts]
    rows = sum(grid[0] for grid in grids)

    def set_references(session: icechunk.Session) -> None:
        shape, chunks = (rows, parts[0].shape[1]), parts[0].chunk_shape
        zarr.create_array(session.store, name="x", shape=shape, chunks=chunks, dtype="u1", compressors=None)
        start = 0
        for columns, grid, locations in zip(parts, grids, urls, strict=True):
            offsets, lengths = columns.offsets.reshape(-1), columns.lengths.reshape(-1)
            session.store.set_virtual_refs_arr(
                "/x", grid, locations, offsets, lengths, arr_offset=(start, 0), validate_containers=True
            )
            start += grid[0]

    return set_references


def _virtualizarr(parts: list[Columns]) -> SetReferences:
    from benchmarks import virtualizarr_peer

    dataset = virtualizarr_peer.virtual_dataset(parts)
    return lambda session: dataset.vz.to_icechunk(session.store)


# -- Kerchunk ----------------------------------------------------------------------------------------------------------


def _vzlab_kerchunk(format_: Format, parts: Callable[[], list[Columns]]) -> Measure:
    dataset = references.virtual_dataset(parts())
    return _written(lambda path: dataset.vzlab.to_kerchunk(path, format=format_))


def _virtualizarr_kerchunk(format_: Format, parts: Callable[[], list[Columns]]) -> Measure:
    from benchmarks import virtualizarr_peer

    dataset: xr.Dataset = virtualizarr_peer.virtual_dataset(parts())
    return _written(lambda path: dataset.vz.to_kerchunk(path, format=format_))


def _written(write: Callable[[str], object]) -> Measure:
    """Time writing to a name that is not there yet; what was written goes with the folder."""

    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "references"
            elapsed = wall(write, lambda: str(path))()
            require(path.exists(), "nothing was written")
        return elapsed

    return measure
