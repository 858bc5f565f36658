"""The one visual core: an ES module without framework or network, joined here from files of one idea each.

Its three homes are anywidget, Panel's ``AnyWidgetComponent``, and pages that are opened from disk. It exports

``mount(el, spec, onSelect, host)``
    Draws a spec of `vzlab.render.spec` (of any kind) into an element, and gives ``{update(spec), select(selection),
    destroy()}``. ``onSelect`` is told what a person selects; ``host``, if there is one, answers for more detail.
``explore(el, host)``
    Draws a whole explorer. A host has ``get(name)``, ``set(name, value)``, ``on(name, callback)`` (which gives what ends
    it) and ``ask(question)``, a promise of an answer.
``pageHost(data)``
    A host for a page without Python.
the default export
    ``{render({model, el})}``, as anywidget and Panel take it. Where the model's ``spec`` is that of an explorer, one is
    drawn whose host is the model; its traits are those of `vzlab.widgets.explorer.Explorer`. A spec of any other kind is
    drawn by itself, and what a person selects in it is set as ``chosen``.
"""

from __future__ import annotations

from importlib.resources import files

PARTS = (
    "dom.js", "theme.js", "colours.js", "canvas.js", "level.js", "fold.js", "table.js", "chunk_map.js", "byte_map.js",
    "diagrams.js", "tree.js", "detail.js", "explorer.js", "hosts.js", "mount.js",
)  # fmt: skip
"""Files of the module; each uses only what those before it define."""


def _joined() -> str:
    here = files(__name__)
    style = here.joinpath("style.css").read_text(encoding="utf-8")
    script = "\n".join(here.joinpath(part).read_text(encoding="utf-8") for part in PARTS)
    return f"const STYLE = {_template(style)};\n\n{script}"


def _template(text: str) -> str:
    r"""Text as a template literal of JavaScript."""
    escaped = text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")
    return f"`{escaped}`"


ESM = _joined()
"""Source of the module."""
