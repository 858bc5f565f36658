"""A notebook as a page: its text, its code, and its committed outputs; solutions are folded away."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from vzlab.learn.notebooks import without_solutions

_FORMS = ("text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain")
"""Forms of an output, the best first."""
_WIDGET = "application/vnd.jupyter.widget-view+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def first_heading(path: Path) -> str:
    """Give the title of a notebook."""
    return "".join(_read(path)["cells"][0]["source"]).partition("\n")[0].lstrip("# ").strip()


def to_pages(text: str) -> str:
    """Lead links to notebooks to their pages."""
    return re.sub(r"(\]\((?!https?:)[^)#]+)\.ipynb", r"\1.md", text)


def notebook_page(path: Path) -> str:
    """Give a notebook as Markdown, with an empty place for each cell's outputs."""
    parts = []
    for number, cell in enumerate(_read(path)["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(to_pages(source))
            continue
        place = (
            f'<div class="vz-output" data-search-exclude id="output-{number}"></div>'
            if cell["outputs"]
            else ""
        )
        begun = without_solutions(source)
        if begun == source:
            parts += [_fence(source), place]
        else:
            solved = re.sub(r"(?m)^### (SOLUTION|END)\n?", "", source)
            folded = f"{_fence(solved)}\n\n{place}".replace("\n", "\n    ")
            parts += [_fence(begun), f'??? success "Solution"\n\n    {folded}']
    return "\n\n".join(part for part in parts if part) + "\n"


def fill_outputs(page: str, path: Path) -> str:
    """Put what each cell gave into its place, as it was committed."""
    cells = _read(path)["cells"]

    def filled(found: re.Match[str]) -> str:
        outputs = "\n".join(_shown(output) for output in cells[int(found[2])]["outputs"])
        return f"{found[1]}{outputs}</div>"

    return re.sub(r'(<div class="vz-output"[^>]*id="output-(\d+)">)</div>', filled, page)


def course_table(root: Path, up: str = "") -> str:
    """Give the table of all lessons, with the time that each takes; `up` leads from its page to the root of the site."""
    times = json.loads((root / "docs/notebook-times.json").read_text(encoding="utf-8"))
    rows = ["| notebook | with learners | cells run in |", "| --- | ---: | ---: |"]
    for name, measured in times.items():
        path = root / name
        if not path.exists():
            continue
        page = f"{up}{path.parent.name}/{path.stem}.md"
        minutes = measured["minutes_to_learn"]
        rows.append(
            f"| [{first_heading(path)}]({page}) | {f'{minutes} min' if minutes else ''} | {measured['seconds_to_run']:.0f} s |"
        )
    return "\n".join(rows)


def _fence(source: str) -> str:
    return f"```python\n{source.rstrip()}\n```"


def _shown(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _preformatted(output["text"])
    if output["output_type"] == "error":
        return _preformatted("\n".join(output["traceback"]))
    data = output.get("data", {})
    form = next((form for form in _FORMS if form in data), None)
    if form is None:
        return ""
    if form == "text/plain" and _WIDGET in data:
        return "<p>A widget stands here in a running notebook: <code>vzlab lab</code> starts one.</p>"
    value = "".join(data[form])
    if form in {"text/html", "image/svg+xml"}:
        # A shadow root keeps the site's styles for tables and details out; colour and font are inherited.
        return f'<div><template shadowrootmode="open">{value}</template></div>'
    if form == "image/png":
        said = html.escape("".join(data.get("text/plain", "a picture")), quote=True)
        return f'<img alt="{said}" src="data:image/png;base64,{value.strip()}">'
    return _preformatted(value)


def _preformatted(text: str | list[str]) -> str:
    plain = _ANSI.sub("", "".join(text))
    return f'<pre tabindex="0">{html.escape(plain)}</pre>'
