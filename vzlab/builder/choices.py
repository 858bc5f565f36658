"""What a builder was told, as values: sources, what to take of them, where to write, how to prove."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, Self

from vzlab.builder.secrets import Secret

type Step = Literal["sources", "look", "check", "choose", "combine", "write", "prove"]

STEPS: tuple[Step, ...] = ("sources", "look", "check", "choose", "combine", "write", "prove")
"""In their order."""
TITLES: dict[Step, str] = {
    "sources": "Sources",
    "look": "Look at one file",
    "check": "Check whether they make one dataset",
    "choose": "Choose what to take, and how",
    "combine": "Combine",
    "write": "Write",
    "prove": "Prove",
}
EVERYTHING = "*"
"""As a group: all groups of the files, as a tree."""


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """Settings of one step: those that differ from what vzlab does by itself are the ones that are said."""

    def given(self) -> dict[str, Any]:
        """Settings that differ from the default, by name, in their order."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != _default(f)}

    @classmethod
    def names(cls) -> frozenset[str]:
        """Names of all settings."""
        return frozenset(f.name for f in fields(cls))

    def to_json(self) -> dict[str, Any]:
        """Settings as plain JSON values; a secret is the name of its environment variable."""
        return {name: _plain(value) for name, value in self.given().items()}

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Self:
        """Settings from `to_json`.

        Raises
        ------
        ValueError
            If there are settings that this step does not have.
        """
        if unknown := sorted(set(settings) - cls.names()):
            raise ValueError(
                f"Found the settings {', '.join(map(repr, unknown))}; expected some of {', '.join(sorted(cls.names()))}"
            )
        return cls(**{name: _rich(value) for name, value in settings.items()})


def _default(setting: Any) -> Any:
    return setting.default if setting.default is not MISSING else setting.default_factory()


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return {"$env": value.env, **({"shown": value.shown} if value.shown else {})}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "$env" in value:
            return Secret(env=str(value["$env"]), shown=str(value.get("shown", "")))
        return {name: _rich(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_rich(item) for item in value)
    return value


def names_of(names: str | Collection[str]) -> tuple[str, ...]:
    """One name or several, each once, in the order given."""
    return tuple(dict.fromkeys([names] if isinstance(names, str) else map(str, names)))


@dataclass(frozen=True, kw_only=True)
class Sources(_Chosen):
    """Step 1: which files, and how they are had."""

    locations: tuple[str | Secret, ...] = ()
    """Absolute paths, urls and globs."""
    left_out: tuple[str, ...] = ()
    """Names, or urls, of files that are not taken."""
    unique: bool = False
    """Whether a file that is named twice is taken once."""
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    parser: str | None = None
    """Name of a parser in `vzlab.parsers`; None for the one of the format that is found."""
    parser_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Choices(_Chosen):
    """Step 4: what is taken of each file, and how files are put together."""

    variables: tuple[str, ...] | None = None
    """The only ones to keep, beside their coordinates."""
    drop_variables: tuple[str, ...] = ()
    loadable_variables: tuple[str, ...] | None = None
    decode_times: bool | None = None
    group: str | tuple[str, ...] | None = None
    """A path; several, or `EVERYTHING`, give a tree."""
    combine: Literal["by_coords", "nested"] = "by_coords"
    concat_dim: str | tuple[str, ...] | None = None
    on_mismatch: Literal["raise", "reencode", "load"] = "raise"
    allow: tuple[str, ...] = ()
    join: Literal["exact", "outer", "inner", "left", "right", "override"] = "exact"
    compat: Literal["equals", "identical", "override", "no_conflicts", "broadcast_equals"] = "equals"
    data_vars: str | tuple[str, ...] = "minimal"
    coords: str | tuple[str, ...] = "minimal"
    attrs: Literal["drop_varying", "keep_varying", "first"] = "drop_varying"
    memory_bytes: int | None = None
    cf: Literal["attributes", "codecs"] = "attributes"
    rename: Mapping[str, str] = field(default_factory=dict)
    """Old names to new ones, given after combining."""

    @property
    def is_tree(self) -> bool:
        """Whether the result is a tree."""
        return self.group == EVERYTHING or isinstance(self.group, tuple)

    def opening(self) -> dict[str, Any]:
        """What concerns the opening of one file."""
        wanted = ("group", "loadable_variables", "drop_variables", "decode_times")
        given = {name: value for name, value in self.given().items() if name in wanted}
        if self.is_tree:
            given.pop("group")
        return given

    def checking(self) -> dict[str, Any]:
        """What concerns the check."""
        return {name: value for name, value in self.given().items() if name in ("combine", "concat_dim")}

    def combining(self) -> dict[str, Any]:
        """What concerns the combination."""
        apart = ("variables", "drop_variables", "loadable_variables", "decode_times", "group", "rename")
        return {name: value for name, value in self.given().items() if name not in apart}


@dataclass(frozen=True, kw_only=True)
class CostOf(_Chosen):
    """Step 5: the selection of which the cost is told."""

    variable: str
    selection: Mapping[str, Any] = field(default_factory=dict)
    """Positions by dimension: an integer, or first, last and step of a slice; nothing is everything."""

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> CostOf:
        """From `to_json`."""
        return cls(variable=settings["variable"], selection=_rich(settings.get("selection", {})))

    def given(self) -> dict[str, Any]:
        """All of it."""
        return {"variable": self.variable, **({"selection": self.selection} if self.selection else {})}

    @property
    def index(self) -> dict[str, Any]:
        """The selection as `vzlab.cost` takes it."""
        return {
            dim: slice(*part) if isinstance(part, tuple) else part for dim, part in self.selection.items()
        }


type Kind = Literal["icechunk", "json", "parquet"]


@dataclass(frozen=True, kw_only=True)
class Target(_Chosen):
    """Step 6: where it is written, and as what."""

    to: str | None = None
    """Absolute path, or url."""
    kind: Kind = "icechunk"
    group: str | None = None
    branch: str = "main"
    message: str | None = None
    mode: Literal["w-", "w", "a"] | None = None
    append_dim: str | None = None
    zarr_format: Literal[2, 3] = 2
    """Of Kerchunk's metadata."""
    storage_options: Mapping[str, Any] = field(default_factory=dict)

    def writing(self) -> dict[str, Any]:
        """What the writer takes, storage options apart."""
        wanted = (
            ("group", "branch", "message", "mode", "append_dim")
            if self.kind == "icechunk"
            else ("group", "zarr_format")
        )
        return {name: value for name, value in self.given().items() if name in wanted}


@dataclass(frozen=True, kw_only=True)
class Proof(_Chosen):
    """Step 7: how hard to look."""

    levels: tuple[str, ...] = ()
    """All that both sides allow, if none is named."""
    exact: bool = False
    seed: int = 0
    receipt: str | None = None
    """Absolute path of a page on which the comparison is kept."""

    def comparing(self) -> dict[str, Any]:
        """What `vzlab.compare` takes."""
        return {name: value for name, value in self.given().items() if name != "receipt"}
