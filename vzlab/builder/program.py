"""Write what a builder was told as a program that needs nothing but vzlab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vzlab.builder.choices import TITLES, Step
from vzlab.builder.secrets import Secret

if TYPE_CHECKING:
    from vzlab.builder.builder import Builder

WIDTH = 110
OPENED_AT_ONCE = 8
"""Files that are opened at the same time."""
TITLE = "Build a virtual dataset, and prove it. vzlab.Builder.from_script takes this program up again."


@dataclass(frozen=True, kw_only=True)
class Block:
    """The part of a program that one step is."""

    step: Step
    code: str


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name in a program, where a value may stand."""

    text: str


def program(builder: Builder) -> str:
    """The whole program, with its imports."""
    blocks = blocks_of(builder)
    code = "\n\n".join(f"# {TITLES[block.step]}\n{block.code}" for block in blocks)
    standard = []
    if "os.environ[" in code:
        standard.append("import os")
    if "ThreadPoolExecutor" in code:
        standard.append("from concurrent.futures import ThreadPoolExecutor")
    ours = ["import vzlab as vz"]
    if blocks:
        ours.append("from vzlab.datasets import expand_sources")
    parts = [f'"""{TITLE}"""', "\n".join(standard), "\n".join(ours), code]
    return "\n\n".join(filter(None, parts)) + "\n"


def blocks_of(builder: Builder) -> tuple[Block, ...]:
    """The program step by step, in an order in which it runs."""
    if not builder.chosen_sources.locations:
        return ()
    found = [Block(step="sources", code="\n".join(_sources(builder)))]
    if builder.looked_at is not None:
        arguments = _arguments(_reading(builder))
        found.append(Block(step="look", code=f"print(vz.inspect(files[{builder.looked_at}]{arguments}))"))
    if builder.asks_for_datasets:
        found.append(Block(step="choose", code="\n".join(_open(builder))))
    if builder.is_checked:
        found.append(Block(step="check", code=_check(builder)))
    if builder.is_combined:
        found.append(Block(step="combine", code="\n".join(_combine(builder))))
    if builder.target.to is not None:
        found.append(Block(step="write", code="\n".join(_write(builder))))
    if builder.target.to is not None and builder.proof is not None:
        found.append(Block(step="prove", code="\n".join(_prove(builder))))
    return tuple(found)


def call(function: str, *positional: Any, **named: Any) -> str:
    """A call in Python, on several lines where one is too long."""
    parts = [literal(value) for value in positional]
    parts += [f"{name}={literal(value)}" for name, value in named.items()]
    line = f"{function}({', '.join(parts)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    if len(parts) == 1:
        return f"{function}({parts[0]})"
    body = "".join(f"    {part},\n".replace("\n    ", "\n        ").replace("\n]", "\n    ]").replace("\n}", "\n    }")
                   for part in parts)  # fmt: skip
    return f"{function}(\n{body})"


def literal(value: Any) -> str:
    """A value as Python writes it; a secret is a look-up in the environment."""
    if isinstance(value, Name):
        return value.text
    if isinstance(value, Secret):
        return f"os.environ[{value.env!r}]"
    if isinstance(value, slice):
        return f"slice({value.start!r}, {value.stop!r}, {value.step!r})"
    if isinstance(value, Mapping):
        return _bracketed("{", [f"{literal(name)}: {literal(item)}" for name, item in value.items()], "}")
    if isinstance(value, list | tuple):
        return _bracketed("[", [literal(item) for item in value], "]")
    if isinstance(value, set | frozenset):
        return _bracketed("{", sorted(map(literal, value)), "}")
    return repr(value)


def _bracketed(opening: str, items: Iterable[str], closing: str) -> str:
    parts = list(items)
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) < WIDTH - 20 and "\n" not in line:
        return line
    return opening + "\n" + "".join("    " + part.replace("\n", "\n    ") + ",\n" for part in parts) + closing


def _arguments(named: Mapping[str, Any]) -> str:
    return "".join(f", {name}={literal(value)}" for name, value in named.items())


def _registry(builder: Builder) -> dict[str, Any]:
    return {"registry": Name(text="registry")} if builder.chosen_sources.storage_options else {}


def _reading(builder: Builder) -> dict[str, Any]:
    """What every function that opens a source is told."""
    parser = {"parser": Name(text="parser")} if builder.chosen_sources.parser else {}
    return parser | _registry(builder)


def _reopening(builder: Builder) -> dict[str, Any]:
    """Options with which what was written is opened: its own, or else those of the files that it refers to."""
    if builder.target.storage_options:
        return {"storage_options": Name(text="target_options")}
    return {"storage_options": Name(text="source_options")} if builder.chosen_sources.storage_options else {}


def _sources(builder: Builder) -> list[str]:
    sources = builder.chosen_sources
    lines, registry = [], []
    if sources.storage_options:
        lines.append(f"source_options = {literal(sources.storage_options)}")
        lines.append("registry = vz.StoreRegistry(storage_options=source_options)")
        registry = [Name(text="registry")]
    lines.append("files = " + call("expand_sources", list(sources.locations), *registry))
    if sources.left_out:
        lines.append(f"left_out = {literal(set(sources.left_out))}")
        lines.append("files = [file for file in files if not {file, vz.storage.url_name(file)} & left_out]")
    if sources.unique:
        lines.append("files = list(dict.fromkeys(files))")
    if sources.parser:
        lines.append("parser = " + call(f"vz.parsers.{sources.parser}", **sources.parser_options))
    return lines


def _open(builder: Builder) -> list[str]:
    choices = builder.choices
    function = "vz.open_virtual_datatree" if choices.is_tree else "vz.open_virtual_dataset"
    opened = call(function, Name(text="file"), **choices.opening(), **_reading(builder)).replace(
        "\n", "\n    "
    )
    if choices.variables is not None:
        opened += f"[{literal(choices.variables)}]".replace("\n", "\n    ")
    return [
        "def open_one(file):",
        f"    return {opened}",
        "",
        "",
        f"with ThreadPoolExecutor({OPENED_AT_ONCE}) as pool:",
        "    opened = list(pool.map(open_one, files))",
    ]


def _check(builder: Builder) -> str:
    names = {"names": Name(text="[vz.storage.url_name(file) for file in files]")}
    checked = call(
        "vz.check_combine", Name(text="opened"), **names, **builder.choices.checking(), **_registry(builder)
    )
    return f"report = {checked}\nprint(report)"


def _combine(builder: Builder) -> list[str]:
    choices = builder.choices
    function = "vz.open_virtual_mfdatatree" if choices.is_tree else "vz.open_virtual_mfdataset"
    combined = call(function, Name(text="opened"), **choices.combining(), **_registry(builder))
    lines = [f"cube = {combined}"]
    if isinstance(choices.group, tuple):
        paths = literal({"/" + path.strip("/") for path in choices.group})
        lines.append(f"cube = cube.filter(lambda node: node.path in {paths})")
    if choices.rename:
        lines.append(f"cube = {call('cube.rename', choices.rename)}")
    lines.append("print(cube)")
    if builder.cost_of is not None:
        lines.append(
            f"print({call('vz.cost', Name(text='cube'), builder.cost_of.variable, builder.cost_of.index)})"
        )
    return lines


def _write(builder: Builder) -> list[str]:
    target, lines, options = builder.target, [], {}
    if target.storage_options:
        lines.append(f"target_options = {literal(target.storage_options)}")
        options["storage_options"] = Name(text="target_options")
    settings = target.writing()
    if builder.written_group is not None:
        settings = {"group": builder.written_group, **settings}
    if target.kind == "icechunk":
        if builder.chosen_sources.storage_options:
            options["source_options"] = Name(text="source_options")
        written = call("cube.vzlab.to_icechunk", target.to, **settings, **options)
        return [*lines, f"print({written})"]
    kind = {} if target.kind == "json" else {"format": target.kind}
    return [*lines, call("cube.vzlab.to_kerchunk", target.to, **kind, **settings, **options)]


def _prove(builder: Builder) -> list[str]:
    target, proof, choices = builder.target, builder.proof, builder.choices
    assert proof is not None
    lines = []
    options = _reopening(builder)
    if target.kind == "icechunk":
        lines.append(f"repository = {call('vz.open_icechunk', target.to, **options)}")
        branch = {"branch": target.branch} if target.branch != "main" else {}
        verified = call("vz.verify", Name(text="repository"), **branch, **_registry(builder))
        lines.append(f"stored = repository.readonly_session({target.branch!r})")
    else:
        lines.append(f"stored = {call('vz.open_group', target.to, **options)}")
        verified = call("vz.verify", Name(text="stored"), **_registry(builder))
    lines.append(f"print({verified})")
    if choices.rename:
        back = {new: old for old, new in choices.rename.items()}
        again = (
            call("vz.open_virtual_dataset", Name(text="stored"), **_registry(builder))
            if target.kind == "icechunk"
            else call("vz.open_virtual_dataset", target.to, **options)
        )
        lines.append(f"stored = {again}.rename({literal(back)})")
    dropped = {}
    if builder.leaves_variables_out:
        reading = _arguments(_reading(builder))
        lines.append(
            f"not_taken = set(vz.inspect(files[0]{reading}).variables) - set(vz.inspect(stored).variables)"
        )
        dropped["drop_variables"] = Name(text="not_taken")
    compared = call(
        "vz.compare",
        Name(text="stored"),
        Name(text="files"),
        **proof.comparing(),
        **dropped,
        **_registry(builder),
    )
    lines += [f"receipt = {compared}", "print(receipt)"]
    if proof.receipt is not None:
        lines.append(call("receipt.to_html", proof.receipt))
    lines.append('raise SystemExit(0 if receipt.verdict == "PASS" else 1)')
    return lines
