"""Take up a builder's program again: its values are read, and nothing of it is run."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

from vzlab.builder.builder import Builder
from vzlab.builder.choices import EVERYTHING
from vzlab.builder.json_form import SCHEMA, from_json

_NAMES = frozenset(
    {"files", "opened", "cube", "stored", "repository", "parser", "registry", "file", "not_taken"}
)
_OPTIONS = frozenset({"source_options", "target_options"})
_RUNTIME = frozenset({"registry", "parser", "names", "storage_options", "source_options"})
"""Arguments whose values other lines of the program say."""


def read_program(text: str) -> Builder:
    """The state that a program stands for.

    The values are looked for where `vzlab.builder.program` writes them; the state's own program must then be the same as
    what was read, line by line, so that nothing that was added by hand is passed over.

    Raises
    ------
    ValueError
        Naming the first line that no builder writes.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"Line {error.lineno} is not Python: {error.msg}") from error
    found: dict[str, Any] = {"schema": SCHEMA, "sources": {}, "choose": {}, "write": {}}
    for statement in tree.body:
        try:
            _read(statement, found)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise _unknown(statement, text) from error
    builder = from_json(json.dumps(found))
    ours = _statements(ast.parse(builder.code()))
    theirs = _statements(tree)
    for mine, (statement, dumped) in zip(
        [dump for _, dump in ours] + [""] * len(theirs), theirs, strict=False
    ):
        if mine != dumped:
            raise _unknown(statement, text)
    return builder


def _unknown(statement: ast.stmt, text: str) -> ValueError:
    line = (ast.get_source_segment(text, statement) or "").partition("\n")[0][:100]
    return ValueError(
        f"Line {statement.lineno} is not as a builder writes it: {line}. Values may be changed in such a program, and "
        "nothing else: run it as it is, or take the steps anew"
    )


def _statements(tree: ast.Module) -> list[tuple[ast.stmt, str]]:
    return [
        (statement, ast.dump(statement))
        for statement in tree.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        and not isinstance(statement, ast.Import | ast.ImportFrom)
    ]


def _read(statement: ast.stmt, found: dict[str, Any]) -> None:
    """Take the values from one statement."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in _OPTIONS:
            part = "sources" if name == "source_options" else "write"
            found[part]["storage_options"] = _value(value)
        case ast.Assign(targets=[ast.Name(id="left_out")], value=value):
            found["sources"]["left_out"] = sorted(_value(value))
        case ast.Assign(targets=[ast.Name(id="report")]):
            found["check"] = True
            call = statement.value
            assert isinstance(call, ast.Call)
            found["choose"] |= _named(call)
        case ast.FunctionDef(name="open_one", body=[ast.Return(value=value)]):
            if isinstance(value, ast.Subscript):
                found["choose"]["variables"] = _value(value.slice)
                value = value.value
            assert isinstance(value, ast.Call)
            if _called(value) == "vz.open_virtual_datatree":
                found["choose"]["group"] = EVERYTHING
            found["choose"] |= _named(value)
        case _:
            for call in _calls(statement):
                _read_call(call, found)


def _read_call(call: ast.Call, found: dict[str, Any]) -> None:
    """Take the values from a call that stands for one of the steps."""
    sources, choose, write = found["sources"], found["choose"], found["write"]
    match _called(call):
        case "expand_sources":
            sources["locations"] = _value(call.args[0])
        case "dict.fromkeys":
            sources["unique"] = True
        case parser if parser.startswith("vz.parsers."):
            sources["parser"] = parser.rpartition(".")[2]
            sources["parser_options"] = _named(call)
        case "vz.inspect" if isinstance(call.args[0], ast.Subscript) and "look" not in found:
            if _is_first_look(call):
                found["look"] = _value(call.args[0].slice)
        case "vz.open_virtual_mfdataset" | "vz.open_virtual_mfdatatree":
            found["combine"] = True
            choose |= _named(call)
        case "cube.filter":
            (chosen,) = [node for node in ast.walk(call) if isinstance(node, ast.Set)]
            choose["group"] = [path.strip("/") for path in _value(chosen)]
        case "cube.rename":
            choose["rename"] = _value(call.args[0])
        case "vz.cost":
            selection = {
                dim: [part.start, part.stop, part.step] if isinstance(part, slice) else part
                for dim, part in _value(call.args[2]).items()
            }
            found["cost"] = {"variable": _value(call.args[1])} | (
                {"selection": selection} if selection else {}
            )
        case "cube.vzlab.to_icechunk" | "cube.vzlab.to_kerchunk":
            settings = _named(call)
            kerchunk = _called(call).endswith("kerchunk")
            kind = {"kind": settings.pop("format", "json")} if kerchunk else {}
            if settings.get("group") == choose.get("group"):
                settings.pop("group", None)
            write |= {"to": _value(call.args[0])} | kind | settings
        case "vz.compare":
            settings = _named(call)
            settings.pop("drop_variables", None)
            found["prove"] = (found.get("prove") or {}) | settings
        case "receipt.to_html":
            found["prove"] = (found.get("prove") or {}) | {"receipt": _value(call.args[0])}


def _is_first_look(call: ast.Call) -> bool:
    """Whether an inspection is the step, and not part of the proof, which looks at attributes of what it gives."""
    return not getattr(call, "inside_attribute", False)


def _calls(statement: ast.stmt) -> Iterator[ast.Call]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
            node.value.inside_attribute = True  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            yield node


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _named(call: ast.Call) -> dict[str, Any]:
    """Arguments by name, those left away that other lines say."""
    return {
        keyword.arg: _value(keyword.value)
        for keyword in call.keywords
        if keyword.arg is not None and keyword.arg not in _RUNTIME and not _is_name(keyword.value)
    }


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in _NAMES


def _value(node: ast.expr) -> Any:
    """The value of a literal; a look-up in the environment as JSON has it.

    Raises
    ------
    ValueError
        If it is neither.
    """
    match node:
        case ast.Subscript(
            value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), slice=ast.Constant(value=name)
        ):
            return {"$env": name}
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {
                _value(key): _value(item) for key, item in zip(keys, values, strict=True) if key is not None
            }
        case ast.Call(func=ast.Name(id="slice"), args=parts):
            return slice(*(_value(part) for part in parts))
    return ast.literal_eval(node)
