"""What is explored: opened once, with its inspection, the array behind each variable, and the code that opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vzlab.builder.program import Name, call, literal
from vzlab.builder.secrets import Secret, hide_url, scrub
from vzlab.datasets.sources import expand_sources
from vzlab.detection import detect_format
from vzlab.errors import VirtualArrayError
from vzlab.inspection import Inspection, inspect
from vzlab.inspection.from_files import handles as is_several
from vzlab.inspection.from_icechunk import handles as is_icechunk_object
from vzlab.inspection.history import History
from vzlab.inspection.resolve import ResolvedArray, resolve_array
from vzlab.interop.virtualizarr import parse
from vzlab.manifests import ManifestGroup
from vzlab.parsers import parser_for
from vzlab.storage import StoreRegistry, as_registry, normalize_url


@dataclass(frozen=True, kw_only=True)
class Explored:
    """Something that was opened."""

    given: Any
    """As the caller gave it."""
    inspection: Inspection
    registry: StoreRegistry
    traced: Any
    """What `vzlab.trace` is told to look into: a path, or the object itself."""
    tree: Any
    """The same as virtual arrays, so that nothing is parsed a second time."""
    setup: tuple[str, ...]
    """Lines of code after which ``x`` is `traced`."""
    shown: str = "x"
    """What `vzlab.explore` is given, as code."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Names in code of what else the caller gave."""
    group: str | None = None
    """Path of the group that was asked for."""
    version: str = ""
    """Branch, tag or snapshot; empty for what has none."""
    inner_group: str | None = None
    """Path of the group that `traced` is already."""
    note: tuple[str, ...] = ()
    """Lines of code that say what else was given."""
    _arrays: dict[str, ResolvedArray | None] = field(default_factory=dict, repr=False, compare=False)

    def array(self, variable: str) -> ResolvedArray | None:
        """The virtual array of a variable; None where its chunks are not references, as of values in memory."""
        if variable not in self._arrays:
            try:
                found = resolve_array(self.tree, variable, group=self.group_of_tree, registry=self.registry)
            except (VirtualArrayError, TypeError, KeyError):
                found = None
            self._arrays[variable] = found
        return self._arrays[variable]

    @property
    def group_of_tree(self) -> str | None:
        """The group inside of `tree`: what was parsed here is that group itself."""
        return self.group if self.tree is self.given else None

    @cached_property
    def secrets(self) -> tuple[Secret, ...]:
        """Urls that hold a signature or a user."""
        urls = self.given if isinstance(self.given, list | tuple) else [self.given]
        hidden = (hide_url(url, number) for number, url in enumerate(urls) if isinstance(url, str))
        return tuple(url for url in hidden if isinstance(url, Secret))

    def scrub(self, text: str) -> str:
        """Text in which no signature of a url can be read."""
        return scrub(text, self.secrets)

    def named(self, **more: Any) -> dict[str, Any]:
        """Keywords of a call in code: those that are more than nothing, and what else the caller gave."""
        own = {name: value for name, value in more.items() if value not in (None, {}, "")}
        group = {"group": self.group} if self.group else {}
        return {**own, **group, **{name: Name(text=text) for name, text in self.options.items()}}


def open_explored(
    x: Any,
    *,
    group: str | None = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    version: str = "",
    reads_through: StoreRegistry | None = None,
) -> Explored:
    """Open anything that `vzlab.inspect` takes.

    Parameters
    ----------
    x, group, registry, storage_options
        As `vzlab.inspect` takes them.
    version : str
        Of an Icechunk repository: a branch, a tag or a snapshot; its main branch if empty.
    reads_through : StoreRegistry, optional
        In place of `registry`: one that the caller's code needs not to know of.

    Raises
    ------
    TypeError
        If it is nothing that can be inspected.
    ValueError
        If a version is asked for of what has none.
    """
    stores = reads_through or as_registry(registry, storage_options)
    options = {
        name: name for name, value in (("registry", registry), ("storage_options", storage_options))
        if value is not None
    }  # fmt: skip
    note = tuple(f"# {name}: as you gave it" for name in options)
    common: dict[str, Any] = {"given": x, "registry": stores, "options": options, "group": group}
    if version and not _is_icechunk(x, stores):
        raise ValueError(
            f"Found version={version!r}; expected none: only an Icechunk repository has versions"
        )
    if is_several(x):
        return _of_files(x, common, note)
    if _is_icechunk(x, stores):
        return _of_icechunk(x, common, note, version)
    named = isinstance(x, str | os.PathLike)
    if not named and not isinstance(x, dict):
        inspection = inspect(x, group=group, registry=stores)
        setup = (*note, "# x: what you gave to vz.explore")
        return Explored(inspection=inspection, traced=x, tree=x, setup=setup, **common)
    url = normalize_url(x) if named else x
    parsed = parse(parser_for(detect_format(url, stores), url)(group=group), url, stores)
    # What is parsed already is taken for the parser, which gives the group that was asked for.
    inspection = inspect(x, parser=lambda *_: parsed, registry=stores)
    setup = (*note, f"x = {location(x)}" if named else "# x: what you gave to vz.explore")
    return Explored(inspection=inspection, traced=x, tree=parsed, setup=setup, **common)


def _of_files(x: Any, common: dict[str, Any], note: tuple[str, ...]) -> Explored:
    """The first of many files, with what inspection says of all."""
    stores, group = common["registry"], common["group"]
    inspection = inspect(x, group=group, registry=stores)
    first = x[0] if isinstance(x, list | tuple) else x
    if isinstance(first, ManifestGroup):
        setup = (*note, "# given: what you gave to vz.explore", "x = given[0]")
        return Explored(inspection=inspection, traced=first, tree=first, setup=setup, shown="given", **common)
    first = expand_sources(first, stores)[0]
    assert isinstance(first, str)
    tree = parse(parser_for(detect_format(first, stores), first)(group=group), first, stores)
    files = [location(each) for each in x] if isinstance(x, list | tuple) else []
    given = f"[{', '.join(files)}]" if files else location(x)
    setup = (*note, f"files = {given}", f"x = {location(first)}")
    return Explored(inspection=inspection, traced=first, tree=tree, setup=setup, shown="files", **common)


def _is_icechunk(x: Any, stores: StoreRegistry) -> bool:
    if is_several(x) or isinstance(x, dict):
        return False
    named = isinstance(x, str | os.PathLike)
    return is_icechunk_object(x) or (named and detect_format(x, stores).key == "icechunk")


def at_version(explored: Explored, version: str, history: History | None) -> Explored:
    """Open another version of an Icechunk repository; `history` says whether it is a branch, a tag or a snapshot."""
    common = {"given": explored.given, "registry": explored.registry, "options": explored.options,
              "group": explored.inner_group}  # fmt: skip
    return _of_icechunk(explored.given, common, explored.note, version, history)


def _of_icechunk(
    x: Any, common: dict[str, Any], note: tuple[str, ...], version: str, history: History | None = None
) -> Explored:
    from vzlab.parsers.icechunk import IcechunkParser, open_repository

    stores, group = common["registry"], common["group"]
    chosen: dict[str, Any] = dict(_version(version, history or _refs(open_repository(x, stores))))
    parser = IcechunkParser(**chosen, group=group)
    inspection = inspect(x, parser=parser, group=group, registry=stores)
    found, tree = inspection.history, parser(x, stores)
    named = isinstance(x, str | os.PathLike)
    shown = location(x) if named else "given"
    how = call("vz.parsers.IcechunkParser", **chosen, **({"group": group} if group else {}))
    given = ", ".join(f"{name}={name}" for name in common["options"])
    stores_code = f", vz.storage.as_registry({given})" if given else ""
    about = () if named else ("# given: what you gave to vz.explore",)
    return Explored(
        inspection=inspection,
        traced=tree,
        tree=tree,
        setup=(*note, *about, f"x = {how}({shown}{stores_code})"),
        shown=shown,
        version=version or (found.branch or found.snapshot_id if found is not None else ""),
        inner_group=group,
        note=note,
        **{**common, "group": None},
    )


def _refs(repository: Any) -> History | None:
    """Branches and tags of a repository; None of a session, which has one version."""
    if repository is None:
        return None
    return History(
        snapshot_id="",
        branches=dict.fromkeys(repository.list_branches(), ""),
        tags=dict.fromkeys(repository.list_tags(), ""),
    )


def _version(version: str, history: History | None) -> Iterator[tuple[str, str]]:
    """A version as the parser names it."""
    if not version:
        return
    if history is None or version in history.branches:
        yield "branch", version
    elif version in history.tags:
        yield "tag", version
    else:
        yield "snapshot_id", version


def location(x: Any) -> str:
    """A path or url as code; one that holds a secret as a look-up in the environment."""
    text = os.fspath(x) if isinstance(x, os.PathLike) else x
    return literal(hide_url(text, 0)) if isinstance(text, str) else repr(text)
