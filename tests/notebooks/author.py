"""Make, execute and normalise notebooks, so that a notebook that has not changed is committed without a difference.

::

    python -m tests.notebooks.author notebooks/01-a-file-is-bytes.ipynb      execute it again, in place
    python -m tests.notebooks.author draft.py notebooks/02-name.ipynb        make it of a script, execute it
    python -m tests.notebooks.author --script notebooks/02-name.ipynb        print it as such a script
    python -m tests.notebooks.author --times                                 measure all, into docs/notebook-times.json

A script has its cells behind lines ``# %%`` and ``# %% [markdown]``; Markdown stands behind ``# ``. Tags of a cell are
written ``# %% tags=one,two``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
TIMES = ROOT / "docs" / "notebook-times.json"
COURSE = sorted(path for part in ("notebooks", "tutorials") for path in (ROOT / part).glob("*.ipynb"))
CELL_TIMEOUT_S = 90
LESSON_FOLDER = re.compile(r"(?:/[\w.+-]+)+/vzlab-\w{8}(?=/)")
"""The temporary folder that `vzlab.learn.fresh_folder` makes; outputs are committed with ``/lab`` in its place."""
COMMIT_TIME = re.compile(r"\b20(?:2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d\b(?!:)")
"""When something was committed to a repository: now. It is committed as the day after the sample archive's last."""
_CPU = "import time; print(time.process_time())"
_MARK = re.compile(r"^# %%(.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Run:
    """An executed notebook, and what it took."""

    notebook: Any
    seconds: float
    """From the first cell's begin to the last one's end; starting the kernel is not in it."""
    cpu_seconds: float
    """Of the kernel's process, starting it included."""

    @property
    def errors(self) -> dict[int, str]:
        """Kinds of the errors, by the position of their cell."""
        return {
            position: output["ename"]
            for position, cell in enumerate(self.notebook["cells"])
            for output in cell.get("outputs", ())
            if output["output_type"] == "error"
        }


def execute(
    notebook: dict[str, Any], folder: Path, *, env: dict[str, str] | None = None, allow_errors: bool = False
) -> Run:
    """Run every cell in a fresh kernel whose working directory is `folder`; the notebook given is left as it is."""
    made = nbformat.reads(json.dumps(notebook), as_version=4)  # type: ignore[no-untyped-call]
    began: list[float] = []
    client = NotebookClient(
        made,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda **_: began.append(time.perf_counter()),
    )
    with client.setup_kernel(**({} if env is None else {"env": env})):
        for position, cell in enumerate(made.cells):
            client.execute_cell(cell, position, store_history=True)
        seconds = time.perf_counter() - began[0]
        made.cells.append(nbformat.from_dict(_cell("code", _CPU, "cpu")))  # type: ignore[no-untyped-call]
        asked = client.execute_cell(made.cells[-1], len(made.cells) - 1, store_history=False)
        made.cells.pop()
    return Run(notebook=made, seconds=seconds, cpu_seconds=float(asked.outputs[0]["text"]))


def normalise(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with nothing of the run but outputs: stable ids, the least of metadata, streams in one piece."""
    cells = []
    for position, cell in enumerate(notebook["cells"]):
        kept = {key: cell[key] for key in ("cell_type", "source")}
        tags = cell["metadata"].get("tags")
        made = {**kept, "id": f"cell-{position:02}", "metadata": {"tags": tags} if tags else {}}
        if cell["cell_type"] == "code":
            # Such as plots whose script comes from a network.
            kept_outputs = [] if "remove-output" in (tags or ()) else cell["outputs"]
            outputs = json.dumps(list(_merged(kept_outputs)), ensure_ascii=False)
            made |= {
                "execution_count": cell["execution_count"],
                "outputs": json.loads(
                    COMMIT_TIME.sub("2025-01-14 09:00", LESSON_FOLDER.sub("/lab", outputs))
                ),
            }
        cells.append(made)
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _merged(outputs: list[Any]) -> Iterator[dict[str, Any]]:
    waiting: dict[str, Any] | None = None
    for output in outputs:
        if waiting is not None and output["output_type"] == "stream" and output["name"] == waiting["name"]:
            waiting["text"] += output["text"]
            continue
        if waiting is not None:
            yield waiting
        waiting = dict(output) if output["output_type"] == "stream" else None
        if waiting is None:
            yield {**output, "metadata": {}} if "metadata" in output else dict(output)
    if waiting is not None:
        yield waiting


def write(notebook: dict[str, Any], path: Path) -> None:
    """Save a notebook as the project keeps them."""
    made = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    nbformat.validate(made)
    text: str = nbformat.writes(made)  # type: ignore[no-untyped-call]
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def from_script(script: str) -> dict[str, Any]:
    """A notebook of a script with ``# %%`` cells."""
    marks = list(_MARK.finditer(script))
    cells = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = script[mark.end() : following.start() if following else None].strip("\n")
        kind = "markdown" if "[markdown]" in mark[1] else "code"
        if kind == "markdown":
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
        cell = _cell(kind, body, f"cell-{len(cells):02}")
        if tags := re.search(r"tags=(\S+)", mark[1]):
            cell["metadata"] = {"tags": tags[1].split(",")}
        cells.append(cell)
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def to_script(notebook: dict[str, Any]) -> str:
    """The script that `from_script` makes the notebook of."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        tags = cell["metadata"].get("tags")
        mark = "# %%" + (f" tags={','.join(tags)}" if tags else "")
        if cell["cell_type"] == "markdown":
            mark += " [markdown]"
            source = "\n".join(f"# {line}".rstrip() for line in source.splitlines())
        parts.append(f"{mark}\n{source}\n")
    return "\n".join(parts)


def _cell(kind: str, source: str, name: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


def read(path: Path) -> dict[str, Any]:
    """The JSON of a notebook."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def planned_minutes(notebook: dict[str, Any]) -> int | None:
    """What the first cell says that a reader needs."""
    found = re.search(r"(\d+) minutes", "".join(notebook["cells"][0]["source"]))
    return int(found[1]) if found else None


def measure(paths: list[Path]) -> dict[str, Any]:
    """What each notebook takes to run, and what it is planned to take to learn."""
    measured = {}
    for path in paths:
        run = execute(read(path), path.parent)
        measured[path.relative_to(ROOT).as_posix()] = {
            "minutes_to_learn": planned_minutes(run.notebook),
            "seconds_to_run": round(run.seconds, 1),
            "cpu_seconds": round(run.cpu_seconds, 1),
            "cells": sum(cell["cell_type"] == "code" for cell in run.notebook["cells"]),
        }
    return measured


def main() -> None:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--script", action="store_true", help="print a notebook as a script")
    parser.add_argument("--times", action="store_true", help="measure, into docs/notebook-times.json")
    options = parser.parse_args()
    paths = [path.resolve() for path in options.paths]
    if options.script:
        sys.stdout.write(to_script(read(paths[0])))
        return
    if options.times:
        known = json.loads(TIMES.read_text()) if TIMES.exists() and paths else {}
        times = {**known, **measure(paths or COURSE)}
        TIMES.write_text(json.dumps(dict(sorted(times.items())), indent=1) + "\n", encoding="utf-8")
        return
    drafts = [path for path in paths if path.suffix == ".py"]
    for path in (path for path in paths if path.suffix == ".ipynb"):
        notebook = from_script(drafts[0].read_text(encoding="utf-8")) if drafts else read(path)
        run = execute(notebook, path.parent)
        write(normalise(run.notebook), path)
        sys.stdout.write(f"{path.name}: {run.seconds:.1f} s, {run.cpu_seconds:.1f} s of CPU\n")


if __name__ == "__main__":
    main()
