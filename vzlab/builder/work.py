"""Do what a builder was told: each function is one block of its program, with progress, and errors told by their step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import vzlab.parsers
from vzlab.builder.choices import Step
from vzlab.builder.preview import Preview, preview_of
from vzlab.builder.program import OPENED_AT_ONCE
from vzlab.builder.secrets import reveal
from vzlab.datasets import (
    check_combine,
    expand_sources,
    open_group,
    open_virtual_dataset,
    open_virtual_datatree,
    open_virtual_mfdataset,
    open_virtual_mfdatatree,
)
from vzlab.detection import Format, detect_format
from vzlab.errors import IncompatibleFilesError, StepError
from vzlab.inspection import inspect
from vzlab.storage import StoreRegistry, as_registry, url_name
from vzlab.telling import results_of, tell

if TYPE_CHECKING:
    from vzlab.builder.builder import Builder
    from vzlab.datasets import CompatibilityReport
    from vzlab.inspection import Inspection
    from vzlab.testing import Comparison, Verification


@contextmanager
def at(step: Step, builder: Builder, what: str = "") -> Iterator[None]:
    """Tell an error of the step that caused it, with no secret in it.

    Raises
    ------
    StepError
    """
    try:
        yield
    except StepError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a library raises belongs to the step
        said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        text = f"{what}: {said or type(error).__name__}" if what else said or type(error).__name__
        clean = builder.scrub(text)
        # A cause is printed too: it is left away if it tells a secret.
        raise StepError(clean, step=step) from (error if clean == text else None)


def registry_of(builder: Builder) -> StoreRegistry:
    """Where files are read from."""
    with at("sources", builder):
        options = reveal(builder.chosen_sources.storage_options)
        return builder.remember(
            "registry", lambda: StoreRegistry(storage_options=options) if options else as_registry()
        )


def files_of(builder: Builder) -> tuple[str, ...]:
    """Urls of all files that are taken, in order."""
    sources = builder.chosen_sources
    with at("sources", builder):
        found = [str(url) for url in expand_sources(reveal(list(sources.locations)), registry_of(builder))]
        left_out = set(sources.left_out)
        kept = [url for url in found if not {url, url_name(url)} & left_out]
        if sources.unique:
            kept = list(dict.fromkeys(kept))
        if not kept:
            raise ValueError(f"All {len(found):,} files are left out: take some back, or name other sources")
    return tuple(kept)


def format_of(builder: Builder) -> Format:
    """Format of the first file."""
    with at("sources", builder, url_name(builder.files[0])):
        return detect_format(builder.files[0], registry_of(builder))


def _parser(builder: Builder) -> dict[str, Any]:
    name = builder.chosen_sources.parser
    if name is None:
        return {}
    with at("sources", builder):
        return {"parser": getattr(vzlab.parsers, name)(**reveal(builder.chosen_sources.parser_options))}


def inspection_of(builder: Builder, number: int) -> Inspection:
    """One file, by its position among those that are taken."""
    files = builder.files
    if not -len(files) <= number < len(files):
        raise StepError(
            f"There is no file {number} among {len(files)}: choose one from 0 to {len(files) - 1}",
            step="look",
        )
    with at("look", builder, url_name(files[number])):
        return inspect(files[number], registry=registry_of(builder), **_parser(builder))


def open_files(builder: Builder, found: dict[str, Any]) -> None:
    """Open each file as references that is not among those found, and put it there: what was opened stays if this is ended."""
    choices = builder.choices
    open_file = open_virtual_datatree if choices.is_tree else open_virtual_dataset
    options = {**choices.opening(), **_parser(builder), "registry": registry_of(builder)}

    def open_one(url: str) -> Any:
        with at("sources", builder, url_name(url)):
            try:
                opened: Any = open_file(url, **options)
                return opened if choices.variables is None else opened[list(choices.variables)]
            except KeyError as error:  # a variable or group that was chosen, and that this file lacks
                with at("choose", builder, url_name(url)):
                    raise error from None

    missing = [url for url in dict.fromkeys(builder.files) if url not in found]
    pool = ThreadPoolExecutor(OPENED_AT_ONCE)
    try:
        opening = [pool.submit(open_one, url) for url in missing]
        # One after the other: those that came before an end stay.
        found.update(zip(missing, results_of("Open files", opening, before=len(found)), strict=True))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def report_of(builder: Builder, opened: list[Any]) -> CompatibilityReport:
    """Whether the files make one dataset."""
    with at("check", builder):
        return check_combine(
            opened,
            names=[url_name(url) for url in builder.files],
            registry=registry_of(builder),
            **_lists(builder.choices.checking()),
        )


def cube_of(builder: Builder, opened: list[Any]) -> Any:
    """The files as one dataset or tree of references."""
    choices = builder.choices
    combine = open_virtual_mfdatatree if choices.is_tree else open_virtual_mfdataset
    try:
        with at("combine", builder):
            cube: Any = combine(
                opened, progress=False, registry=registry_of(builder), **_lists(choices.combining())
            )
    except StepError as error:
        if isinstance(error.__cause__, IncompatibleFilesError):
            raise StepError(str(error), step="check") from error.__cause__
        raise
    with at("choose", builder):
        if isinstance(choices.group, tuple):
            wanted = {"/" + path.strip("/") for path in choices.group}
            if absent := sorted(wanted - {node.path for node in cube.subtree}):
                raise KeyError(
                    f"Found no group {', '.join(absent)}; there are {', '.join(n.path for n in cube.subtree)}"
                )
            cube = cube.filter(lambda node: node.path in wanted)
        return cube.rename(dict(choices.rename)) if choices.rename else cube


def _lists(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def previewed(builder: Builder, cube: Any) -> Preview:
    """What was combined, in words and numbers."""
    asked = builder.cost_of
    with at("combine", builder):
        return preview_of(
            cube,
            registry_of(builder),
            None if asked is None else asked.variable,
            {} if asked is None else asked.index,
        )


def write(builder: Builder, cube: Any) -> str:
    """Write what was combined, and tell what was written."""
    target = builder.target
    with at("write", builder):
        settings = target.writing()
        if builder.written_group is not None:
            settings["group"] = builder.written_group
        if target.storage_options:
            settings["storage_options"] = reveal(target.storage_options)
        if target.kind == "icechunk":
            if builder.chosen_sources.storage_options:
                settings["source_options"] = reveal(builder.chosen_sources.storage_options)
            return str(cube.vzlab.to_icechunk(target.to, **settings))
        cube.vzlab.to_kerchunk(target.to, format=target.kind, **settings)
        return f"{cube.vzlab.n_refs:,} references in {target.to}"


def prove(builder: Builder) -> tuple[Verification, Comparison]:
    """Verify the references that were written, and compare what they read with the files."""
    from vzlab.testing import compare, verify
    from vzlab.writers import open_icechunk

    target, proof, registry = builder.target, builder.proof, registry_of(builder)
    assert proof is not None
    with at("prove", builder):
        if builder.choices.rename and builder.written_group not in (None, "/"):
            raise ValueError(
                f"Renamed variables in the group {builder.written_group!r} cannot be compared with the files: write without "
                "rename, prove that, and rename when reading"
            )
        used = target.storage_options or builder.chosen_sources.storage_options
        options = {"storage_options": reveal(used)} if used else {}
        tell("Verify references against their files")
        stored: Any
        if target.kind == "icechunk":
            assert target.to is not None
            repository = open_icechunk(target.to, **options)
            verification = verify(repository, branch=target.branch, registry=registry)
            stored = repository.readonly_session(target.branch)
        else:
            stored = open_group(target.to, **options)
            verification = verify(stored, registry=registry)
        if builder.choices.rename:
            back = {new: old for old, new in builder.choices.rename.items()}
            stored = (
                open_virtual_dataset(stored, registry=registry)
                if target.kind == "icechunk"
                else open_virtual_dataset(target.to, **options)
            ).rename(back)
        dropped: set[str] = set()
        if builder.leaves_variables_out:
            native = inspect(builder.files[0], registry=registry, **_parser(builder))
            dropped = set(native.variables) - set(inspect(stored).variables)
        comparison = compare(
            stored,
            list(builder.files),
            drop_variables=dropped,
            registry=registry,
            progress=False,
            **proof.comparing(),
        )
        if proof.receipt is not None:
            comparison.to_html(proof.receipt)
    return verification, comparison
