"""What a step is told, as it is kept: absolute places, names once, and nothing that vzlab does not know."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import vzlab.parsers
from vzlab.builder.choices import Choices, Kind, Target, names_of
from vzlab.builder.secrets import Secret, hide_options, hide_url, secrets_in
from vzlab.datasets.findings import ALLOWABLE
from vzlab.errors import StepError
from vzlab.storage import normalize_url

KNOWN: Mapping[str, tuple[Any, ...]] = {
    "combine": ("by_coords", "nested"),
    "on_mismatch": ("raise", "reencode", "load"),
    "join": ("exact", "outer", "inner", "left", "right", "override"),
    "compat": ("equals", "identical", "override", "no_conflicts", "broadcast_equals"),
    "attrs": ("drop_varying", "keep_varying", "first"),
    "cf": ("attributes", "codecs"),
}


def flat(location: Any) -> list[Any]:
    """Locations from one, or from collections of them."""
    if isinstance(location, str | os.PathLike | Secret):
        return [location]
    return [inner for each in location for inner in flat(each)]


def location(given: Any, number: int) -> str | Secret:
    """A location as it is kept: absolute, and hidden if it may hold a secret."""
    return given if isinstance(given, Secret) else hide_url(absolute(os.fspath(given)), number)


def absolute(text: str) -> str:
    """A path from the root, so that a program means the same wherever it runs; urls as they are."""
    return text if "://" in text else os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111  not resolve()


def setting(name: str, value: Any) -> Any:
    """A choice as it is kept."""
    if name == "rename":
        return {str(old): str(new) for old, new in (value or {}).items()}
    if name in ("drop_variables", "allow"):
        return names_of(value or ())
    if name in ("variables", "loadable_variables"):
        return None if value is None else names_of(value)
    if value is None or isinstance(value, str | int):
        return value
    return names_of(value)


def check_choices(choices: Choices) -> None:
    """Refuse choices that vzlab does not know, or that do not go together.

    Raises
    ------
    StepError
    """
    for name, known in KNOWN.items():
        if getattr(choices, name) not in known:
            raise StepError(
                f"Found {name}={getattr(choices, name)!r}; expected one of {', '.join(map(repr, known))}",
                step="choose",
            )
    if unknown := sorted(set(choices.allow) - set(ALLOWABLE)):
        known_names = ", ".join(map(repr, ALLOWABLE))
        raise StepError(
            f"allow names {', '.join(map(repr, unknown))}; what can be allowed is {known_names}",
            step="choose",
        )
    if choices.is_tree and (choices.variables is not None or choices.rename or choices.cf != "attributes"):
        raise StepError(
            "variables, rename and cf are for one group, and several were chosen. Use drop_variables, or choose one group",
            step="choose",
        )


def check_parser(parser: str | None, options: Mapping[str, Any] | None) -> None:
    """Refuse a parser that there is not.

    Raises
    ------
    StepError
    """
    known = [name for name in vzlab.parsers.__all__ if name.endswith("Parser") and name != "Parser"]
    if parser is None and options:
        raise StepError("Parser options were given without a parser: name it with parser=", step="sources")
    if parser is not None and parser not in known:
        raise StepError(f"Found parser={parser!r}; expected one of {', '.join(known)}", step="sources")


def kept_options(
    options: Mapping[str, Any] | None, where: Any, *, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Storage options as they are kept: secrets by the names of environment variables.

    Parameters
    ----------
    options : mapping, optional
    where : str, path or Secret
        What they are for.
    beside : mapping, optional
        Other options that are kept: no name may stand for two values.
    """
    shown = where.shown if isinstance(where, Secret) else os.fspath(where)
    scheme = normalize_url(shown).partition(":")[0]
    hidden = hide_options(options, scheme)
    values = {secret.env: secret.value for secret in secrets_in(hidden)}
    if any(values.get(secret.env, secret.value) != secret.value for secret in secrets_in(beside)):
        return hide_options(options, scheme, mark="TARGET_")
    return hidden


def target_of(
    to: str | os.PathLike[str], kind: Kind | None, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> Target:
    """Where to write, and as what: the suffix tells where nothing else does.

    Raises
    ------
    ValueError
        If there is no such setting or kind, or no place.
    """
    if unknown := sorted(set(settings) - (Target.names() - {"to", "kind", "storage_options"})):
        raise ValueError(f"Found {', '.join(unknown)}; expected some of {', '.join(sorted(Target.names()))}")
    text = os.fspath(to)
    if not text:
        raise ValueError("No place to write to was given: name a path or a url")
    by_suffix: dict[str, Kind] = {".json": "json", ".parquet": "parquet", ".parq": "parquet"}
    found = kind or by_suffix.get(os.path.splitext(text)[1].lower(), "icechunk")  # noqa: PTH122  of urls too
    if found not in ("icechunk", "json", "parquet"):
        raise ValueError(f"Found kind={found!r}; expected 'icechunk', 'json' or 'parquet'")
    return Target(to=absolute(text), kind=found, storage_options=dict(options), **settings)
