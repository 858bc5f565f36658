"""Templates and generators of Kerchunk references, without running anything that a file says."""

from __future__ import annotations

import ast
import functools
import itertools
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vzlab.errors import CorruptFileError, UnsupportedFormatError

MAX_GENERATED = 1_000_000
"""References that the generators of one set may make; more are refused."""

_MAX_EXPRESSION = 300
_MAX_TEXT = 4_000
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class Templates:
    """What fills the double braces of urls (Kerchunk specification, "Version 1").

    Understood are names of templates, calls of templates with named constants, names of generator dimensions, whole
    numbers and texts, and ``+ - * // %`` of whole numbers. Anything else is refused by name.

    Parameters
    ----------
    definitions : mapping
        The ``templates`` of a reference set.
    """

    def __init__(self, definitions: Any) -> None:
        if not isinstance(definitions, Mapping) or not all(
            isinstance(key, str) and isinstance(value, str) for key, value in definitions.items()
        ):
            raise CorruptFileError(
                f"Found templates {str(definitions)[:80]}; expected an object of names and texts"
            )
        self.definitions = dict(definitions)
        self.fill = functools.lru_cache(maxsize=4096)(self._fill)

    def _fill(self, text: str) -> str:
        """A text with its expressions replaced by their values.

        Raises
        ------
        UnsupportedFormatError
            If an expression is not understood.
        """
        return self.render(text, {})

    def render(self, text: str, names: Mapping[str, Any]) -> str:
        """A text with its expressions replaced, where also other names than those of templates are known."""
        if "{{" not in text:
            return text
        try:
            filled = _EXPRESSION.sub(lambda match: str(self._value(match.group(1), names)), text)
        except ValueError as error:  # a number of thousands of digits
            raise _refusal(text) from error
        if "{%" in filled or len(filled) > _MAX_TEXT:
            raise _refusal(text)
        return filled

    def _value(self, expression: str, names: Mapping[str, Any]) -> Any:
        return self._evaluate(_parsed(expression), names, expression)

    def _evaluate(self, node: ast.expr, names: Mapping[str, Any], expression: str) -> Any:
        match node:
            case ast.Constant(value=int() | str() as value) if not isinstance(value, bool):
                return value
            case ast.Name(id=name):
                found = names.get(name, self.definitions.get(name))
                # A template with expressions in it is a function: by its name alone it has no value.
                if found is not None and not (name not in names and "{{" in found):
                    return found
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self._evaluate(operand, names, expression)
                if isinstance(value, int):
                    return -value
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                a, b = (self._evaluate(side, names, expression) for side in (left, right))
                if (
                    isinstance(a, int)
                    and isinstance(b, int)
                    and (b or isinstance(op, ast.Add | ast.Sub | ast.Mult))
                ):
                    return _ARITHMETIC[type(op)](a, b)
                if isinstance(op, ast.Add) and isinstance(a, str) and isinstance(b, str):
                    return a + b
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if (
                name in self.definitions and name not in names
            ):
                given = {
                    keyword.arg: self._evaluate(keyword.value, names, expression)
                    for keyword in keywords
                    if keyword.arg is not None
                }
                if len(given) == len(keywords):
                    # What a template calls knows only what it was given: no template calls another, so none calls itself.
                    return Templates({}).render(self.definitions[name], given)
        raise _refusal("{{" + expression + "}}")


@functools.lru_cache(maxsize=4096)
def _parsed(expression: str) -> ast.expr:
    """Parse an expression without evaluating it."""
    if len(expression) > _MAX_EXPRESSION:
        raise _refusal("{{" + expression + "}}")
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal("{{" + expression + "}}") from error


def _refusal(text: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"The template {text[:100]!r} is not understood: expected a name or call of a defined template, or whole numbers with "
        "+ - * // %. Expand it with the program that wrote it."
    )


def generated(generators: Any, templates: Templates) -> Iterator[tuple[str, list[Any]]]:
    """Keys and references that generators make (Kerchunk specification, "gen").

    Raises
    ------
    CorruptFileError, UnsupportedFormatError
        If a generator is incomplete, would make too many references, or has expressions that are not understood.
    """
    if not isinstance(generators, list):
        raise CorruptFileError(f"Found generators {str(generators)[:80]}; expected a list")
    n_left = MAX_GENERATED
    for generator in generators:
        try:
            key, url, dimensions = generator["key"], generator["url"], generator["dimensions"]
            values = {name: _dimension(value) for name, value in dimensions.items()}
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise CorruptFileError(
                f"Found the generator {str(generator)[:120]}; expected key, url and dimensions ({error})"
            ) from error
        n_left -= math.prod(map(len, values.values()))
        if n_left < 0:
            raise UnsupportedFormatError(
                f"Generators make more than {MAX_GENERATED:,} references; write them as Parquet."
            )
        if ("offset" in generator) != ("length" in generator):
            raise CorruptFileError(
                f"The generator of {key!r} has only one of offset and length; expected both"
            )
        texts = [key, url, *(str(generator[part]) for part in ("offset", "length") if part in generator)]
        if not all(isinstance(text, str) for text in texts):
            raise CorruptFileError(f"Found the generator {str(generator)[:120]}; expected texts in it")
        for combination in itertools.product(*values.values()):
            names = dict(zip(values, combination, strict=True))
            made_key, made_url, *numbers = (templates.render(text, names) for text in texts)
            try:
                yield made_key, [made_url, *map(int, numbers)]
            except ValueError as error:
                raise CorruptFileError(
                    f"The generator of {key!r} makes offset and length {numbers}; expected whole numbers"
                ) from error


def _dimension(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    span = range(int(value.get("start", 0)), int(value["stop"]), int(value.get("step", 1)))
    # Spans of more than 2**63 have no length in Python; a numpy integer tells in time.
    np.int64(span.stop), np.int64(span.start)
    return span
