"""Open what is to be compared or combined: in turn or in parallel, into little room, failures told."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import xarray as xr

from vzlab.datasets.loading import with_dimension
from vzlab.datasets.open import open_virtual_dataset, open_virtual_datatree
from vzlab.datasets.packed import PackedDatasets, pack
from vzlab.datasets.parallel import RETRIES, Failure, OnError, Parallel, run_batches, told
from vzlab.datasets.sources import Item, name_of
from vzlab.datasets.tiling import Tiling
from vzlab.errors import SkippedFilesWarning
from vzlab.storage import StoreRegistry
from vzlab.telling import told_of


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How each file is opened; it is sent to where that is done."""

    registry: StoreRegistry
    options: Mapping[str, Any] = field(default_factory=dict)
    """For `open_virtual_dataset` or `open_virtual_datatree`."""
    preprocess: Callable[[xr.Dataset], xr.Dataset] | None = None
    as_tree: bool = False
    along: str | Sequence[str] | None = None
    """Where files follow each other, if that is known: a scalar of that name says where its file belongs."""

    def __call__(self, item: Item) -> Any:
        """Open a url, or take what is open, and preprocess it."""
        opened: Any = item
        if isinstance(item, str):
            open_one = open_virtual_datatree if self.as_tree else open_virtual_dataset
            opened = open_one(item, registry=self.registry, **self.options)
        opened = opened if self.preprocess is None else self.preprocess(opened)
        for dim in [self.along] if isinstance(self.along, str) else self.along or ():
            if (
                isinstance(opened, xr.Dataset)
                and dim in opened._variables
                and not opened._variables[dim].dims
            ):
                opened = with_dimension(opened, dim, self.registry, self.options.get("decode_times"))
        return opened


@dataclass(frozen=True, kw_only=True)
class Running:
    """Where and how often files are opened."""

    parallel: Parallel = None
    retries: int = RETRIES
    on_error: OnError = "raise"
    progress: bool = False


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Files that could be opened, and those that could not."""

    files: Sequence[Any]
    """Datasets, put together when they are asked for, or trees."""
    names: tuple[str, ...]
    tiling: Tiling | None
    """Their places, where the order given decides them."""
    failures: tuple[Failure, ...] = ()


def open_sources(
    items: Sequence[Item],
    tiling: Tiling | None,
    opening: Opening,
    running: Running,
    names: Sequence[str] | None = None,
) -> Opened:
    """Open all sources.

    Raises
    ------
    Exception
        What opening the first file that failed raised, with ``on_error="raise"`` or if none could be opened.

    Warns
    -----
    SkippedFilesWarning
        Names the files that could not be opened, with ``on_error="skip"``.
    """
    if names is None:
        names = [name_of(item, i) for i, item in enumerate(items)]
    remote = [i for i, item in enumerate(items) if isinstance(item, str)]
    trees = opening.as_tree or any(isinstance(item, xr.DataTree) for item in items)
    opened: Any = [None] * len(items) if trees else PackedDatasets(len(items))
    open_already = [i for i, item in enumerate(items) if not isinstance(item, str)]
    for i in told_of("Take files", open_already):
        _take_open(opened, opening(items[i]), i)
    failures: list[Failure] = []
    batches = run_batches(
        opening,
        list if trees else pack,
        [items[i] for i in remote],
        [names[i] for i in remote],
        parallel=running.parallel,
        retries=running.retries,
        on_error=running.on_error,
        progress=running.progress,
    )
    for batch in batches:
        positions = [remote[i] for i in batch.positions]
        if trees:
            for position, tree in zip(positions, batch.value, strict=True):
                opened[position] = tree
        else:
            opened.add(batch.value, positions)
        failures += [replace(failure, position=remote[failure.position]) for failure in batch.failures]
    if not failures:
        return Opened(files=opened, names=tuple(names), tiling=tiling)
    failures.sort(key=lambda failure: failure.position)
    if len(failures) == len(items):
        raise told(failures[0])
    _tell(failures, len(items))
    left_out = {failure.position for failure in failures}
    kept = [i for i in range(len(items)) if i not in left_out]
    return Opened(
        files=[opened[i] for i in kept] if trees else opened.choose(kept),
        names=tuple(names[i] for i in kept),
        tiling=tiling and replace(tiling, positions=tuple(tiling.positions[i] for i in kept)),
        failures=tuple(failures),
    )


def _take_open(opened: Any, dataset: Any, position: int) -> None:
    if isinstance(opened, list):
        opened[position] = dataset
    else:
        opened.add_open(dataset, position)


def _tell(failures: Sequence[Failure], n_files: int) -> None:
    lines = [f"  {failure.name}: {failure.reason}" for failure in failures]
    warnings.warn(
        f"{len(failures):,} of {n_files:,} files could not be opened and {'are' if len(failures) > 1 else 'is'} left out:\n"
        + "\n".join(lines),
        SkippedFilesWarning,
        stacklevel=3,
    )
