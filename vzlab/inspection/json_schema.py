"""The JSON Schema of a JSON form, made from the model that it is the form of: an inspection, or another document."""

from __future__ import annotations

import ast
import inspect as python_inspect
import sys
import textwrap
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeAliasType, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from vzlab.inspection.model import SCHEMA, Inspection

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bytes: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    # What is no number has no literal in JSON, and is text.
    float: {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
    types.NoneType: {"type": "null"},
    Any: {},
}
_LEFT_OUT_WITHOUT_MAPS = frozenset({"chunk_map", "byte_map"})


def inspection_schema() -> dict[str, Any]:
    """Give the schema of `Inspection.to_dict`: JSON Schema, draft 2020-12, with what each field means."""
    totals = {
        name: {"type": ["integer", "null"]}
        for name in ("n_variables", "n_groups", "n_chunks", "raw_bytes", "stored_bytes", "file_bytes")
    }
    derived = {
        "totals": {
            "type": "object",
            "properties": totals,
            "required": list(totals),
            "additionalProperties": False,
        },
    }
    return document_schema(Inspection, SCHEMA, derived)


def document_schema(
    kind: type, name: str, derived: Mapping[str, Any], told: Sequence[str] = ()
) -> dict[str, Any]:
    """Give the schema of the fields of a dataclass, with its name in `schema`, and what is `derived` from the fields.

    Parameters
    ----------
    kind : type
        A dataclass; of another class, only what is `derived` or `told`.
    name : str
        Of the schema, with its number: ``"vzlab-inspection/1"``.
    derived : mapping
        Schemas of further entries by their names.
    told : sequence of str
        Names of the class's properties that are entries too: their annotations and docstrings make their schemas.

    Returns
    -------
    dict
    """
    definitions: dict[str, Any] = {}
    root = _of_class(kind, definitions)
    further = {**derived, **{each: _of_property(kind, each, definitions) for each in told}}
    root["properties"] = {"schema": {"const": name}, **root["properties"], **further}
    root["required"] = ["schema", *root["required"], *further]
    return {
        "$schema": _DIALECT,
        "title": name,
        **root,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def one_or_many(schema: dict[str, Any], kind: type, several: str) -> dict[str, Any]:
    """Give the schema of a document, or of several of them in a list that is called `several`."""
    definitions = schema.pop("$defs")
    dialect, title = schema.pop("$schema"), schema.pop("title")
    one = {"$ref": f"#/$defs/{kind.__name__}"}
    many = {
        "type": "object",
        "properties": {"schema": {"const": title}, several: {"type": "array", "items": one}},
        "required": ["schema", several],
        "additionalProperties": False,
    }
    definitions = {**definitions, kind.__name__: schema}
    return {
        "$schema": dialect,
        "title": title,
        "oneOf": [one, many],
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _of_property(kind: type, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    getter = getattr(kind, name).fget
    hint = get_type_hints(getter)["return"]
    return {"description": python_inspect.getdoc(getter), **_of_type(hint, definitions)}


def _of_class(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    meanings = _field_docstrings(kind)
    hints = get_type_hints(kind, vars(sys.modules[kind.__module__]))
    properties = {}
    for field in fields(kind) if is_dataclass(kind) else ():
        if not field.repr:
            continue
        schema = _of_type(hints[field.name], definitions)
        properties[field.name] = (
            {"description": meanings[field.name], **schema} if field.name in meanings else schema
        )
    return {
        "type": "object",
        "description": (python_inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " "),
        "properties": properties,
        "required": [name for name in properties if name not in _LEFT_OUT_WITHOUT_MAPS],
        "additionalProperties": False,
    }


def _of_type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(hint, TypeAliasType):
        return _of_type(hint.__value__, definitions)
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if isinstance(hint, type) and is_dataclass(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # a type may hold itself
            definitions[hint.__name__] = _of_class(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of_type(part, definitions) for part in parts]}
    if origin is tuple and parts[-1] is Ellipsis:
        return {"type": "array", "items": _of_type(parts[0], definitions)}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [_of_type(part, definitions) for part in parts],
            "minItems": len(parts),
            "maxItems": len(parts),
        }
    if origin is npt.NDArray or origin is np.ndarray:
        return {"type": "array"}
    if origin is frozenset:
        return {"type": "array", "items": _of_type(parts[0], definitions), "uniqueItems": True}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _of_type(parts[1], definitions)}
    raise TypeError(f"No JSON form is known of {hint}")


def _field_docstrings(kind: type) -> dict[str, str]:
    """What stands below each field in the source."""
    tree = ast.parse(textwrap.dedent(python_inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[before.target.id] = " ".join(after.value.value.split())
    return found
