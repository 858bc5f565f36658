"""Which formats are read, by which parser, with which options: out of the text of each module, so that no library is loaded."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from vzlab.detection import FORMATS, Format, installed_formats
from vzlab.display import Displayed
from vzlab.parsers import home_of

_BASE = ("vzlab.parsers.base", "Parser")

COMMON = ("group", "drop_variables")
"""Options of every parser of ours."""


@dataclass(frozen=True, kw_only=True)
class ParserOption:
    """One keyword argument of a parser."""

    name: str
    annotation: str
    default: str
    """As Python writes it."""
    description: str


@dataclass(frozen=True, kw_only=True)
class KnownFormat:
    """A format that is read, and what reads it."""

    name: str
    key: str
    suffixes: tuple[str, ...]
    mark: str
    """What its files begin with, as bytes or in words."""
    parser: str
    """Name of the class in `vzlab.parsers`, or where another distribution has it."""
    options: tuple[ParserOption, ...]
    extra: str
    """The extra of vzlab that it needs; empty if none."""
    installed: bool
    """Whether what the extra brings can be imported."""

    @property
    def own_options(self) -> tuple[ParserOption, ...]:
        """Those that not every parser has."""
        return tuple(option for option in self.options if option.name not in COMMON)


@dataclass(frozen=True, kw_only=True, repr=False)
class FormatTable(Displayed):
    """Every format that is read; shows itself as a table."""

    formats: tuple[KnownFormat, ...]
    refused: tuple[tuple[str, str], ...]
    """Names of formats that are known and not read, each with what to do."""

    _view: ClassVar[str] = "formats"
    title: ClassVar[str] = "Formats that vzlab reads"

    def __iter__(self) -> Iterator[KnownFormat]:
        return iter(self.formats)

    def __len__(self) -> int:
        return len(self.formats)

    def __getitem__(self, key: str) -> KnownFormat:
        """The format of this key, such as ``"hdf5"``."""
        found = next((format_ for format_ in self.formats if format_.key == key), None)
        if found is None:
            raise KeyError(
                f"No format {key!r}; here are {', '.join(format_.key for format_ in self.formats)}"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "formats": [
                {
                    **vars(format_),
                    "suffixes": list(format_.suffixes),
                    "options": [vars(option) for option in format_.options],
                }
                for format_ in self.formats
            ],
            "refused": [{"name": name, "advice": advice} for name, advice in self.refused],
        }


def formats() -> FormatTable:
    """Every format that is read, with the options of its parser and what must be installed for it.

    Parsers of other distributions are among them: those listed under the entry points ``vzlab.parsers``.

    Returns
    -------
    FormatTable
        Shown as a table in a notebook and in a terminal.

    Examples
    --------
    >>> import vzlab as vz
    >>> [known.name for known in vz.formats()][:3]
    ['HDF5', 'netCDF-3', 'TIFF']
    """
    known = [*FORMATS, *installed_formats()]
    return FormatTable(
        formats=tuple(_known(format_) for format_ in known if format_.parser is not None),
        refused=tuple((format_.name, format_.advice) for format_ in known if format_.parser is None),
    )


def _known(format_: Format) -> KnownFormat:
    home = home_of(format_)
    assert home is not None
    return KnownFormat(
        name=format_.name,
        key=format_.key,
        suffixes=format_.suffixes,
        mark=format_.mark or " or ".join(str(magic)[2:-1] for magic in format_.magic),
        parser=str(format_.parser),
        options=_options(*home),
        extra=format_.extra,
        installed=all(importlib.util.find_spec(library) is not None for library in format_.libraries),
    )


@cache
def _options(module: str, name: str) -> tuple[ParserOption, ...]:
    """The fields of a class with those of `Parser`, if it says that it is one."""
    found = _class(module, name)
    if found is None:
        return ()
    bases = {base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in found.bases}
    own = [option for statement in _fields(found) if (option := _option(found, *statement))]
    inherited = _options(*_BASE) if (module, name) != _BASE and bases else ()
    taken = {option.name for option in own}
    return (*own, *(option for option in inherited if option.name not in taken))


def _class(module: str, name: str) -> ast.ClassDef | None:
    spec = importlib.util.find_spec(module)
    read = getattr(spec.loader, "get_source", None) if spec is not None else None
    source = read(module) if read is not None else None
    nodes = ast.parse(source).body if source else []
    return next((node for node in nodes if isinstance(node, ast.ClassDef) and node.name == name), None)


def _fields(found: ast.ClassDef) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Each annotated name with the text that follows it."""
    for statement, following in zip(found.body, [*found.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            value = following.value if isinstance(following, ast.Expr) else None
            said = value.value if isinstance(value, ast.Constant) else ""
            yield statement, said if isinstance(said, str) else ""


def _option(found: ast.ClassDef, statement: ast.AnnAssign, said: str) -> ParserOption | None:
    annotation = ast.unparse(statement.annotation)
    if not isinstance(statement.target, ast.Name) or annotation.startswith("ClassVar"):
        return None
    name = statement.target.id
    described = said or _described(ast.get_docstring(found) or "", name)
    return ParserOption(
        name=name,
        annotation=annotation,
        default=_default(statement.value),
        description=" ".join(described.split()),
    )


def _default(value: ast.expr | None) -> str:
    if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "field":
        made = next((k.value for k in value.keywords if k.arg in ("default", "default_factory")), None)
        text = "" if made is None else ast.unparse(made)
        return {"dict": "{}", "list": "[]", "tuple": "()"}.get(text, text)
    return "" if value is None else ast.unparse(value)


def _described(docstring: str, name: str) -> str:
    """What the section Parameters of a docstring says of a name."""
    match = re.search(rf"^{name} : .*\n((?:[ \t]+.*\n?)+)", inspect.cleandoc(docstring), re.MULTILINE)
    return match.group(1) if match else ""
