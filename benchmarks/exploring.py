"""How the explorer feels: ``python -m benchmarks.exploring`` drives it in a headless Chromium, with Python behind it.

The page is what notebooks show; in place of a notebook's connection, messages go through Playwright's, as JSON both ways.
Everything that crosses it is counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.table import setting
from tests.render.browser import ARGUMENTS, CHROMIUM
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup, SourceFile
from vzlab.widgets.core import ESM
from vzlab.widgets.explored import open_explored
from vzlab.widgets.explorer import Explorer

PAGE = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- exploring: begin -->", "<!-- exploring: end -->"
"""Between them the page has what `report` says of the latest run."""
GRIDS = ((20, 50), (250, 400), (1000, 1000))
N_FRAMES = 120

HOST = """
const values = {}, listeners = {};
const emit = (changed) => {
  Object.assign(values, changed);
  for (const name of Object.keys(changed)) (listeners[name] ?? []).forEach((callback) => callback());
};
const host = {
  get: (name) => values[name],
  async set(name, value) { emit({ [name]: value }); emit((await python(JSON.stringify({ set: [name, value] }))).changed); },
  on(name, callback) { (listeners[name] ??= []).push(callback); return () => {}; },
  async ask(question) {
    const { changed, answer } = await python(JSON.stringify({ ask: question }));
    emit(changed);
    return answer;
  },
};
const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
const python = async (message) => JSON.parse(await window.told(message));
window.start = async () => {
  const began = performance.now();
  Object.assign(values, await python("{}"));
  explore(document.querySelector("main"), host);
  await painted();
  return performance.now() - began;
};
window.until = async (test, act) => {
  const began = performance.now();
  act();
  while (!test()) await new Promise((done) => setTimeout(done, 2));
  await painted();
  return performance.now() - began;
};
window.stage = () => document.querySelector(".vzx-chunks .vzx-stage");
const pointer = (type, x, y, more = {}) => {
  const { left, top } = stage().getBoundingClientRect();
  const at = { clientX: left + x, clientY: top + y };
  stage().dispatchEvent(new PointerEvent(type, { ...at, button: 0, pointerId: 1, bubbles: true, ...more }));
};
window.pointer = pointer;
// What a pointer cannot be when it is made by a script: captured.
HTMLElement.prototype.setPointerCapture = () => {};
// How long each frame took while something is dragged, from the first to the last.
window.drag = async (n, shiftKey) => {
  const times = [];
  pointer("pointerdown", 20, 20, { shiftKey });
  let last = await new Promise(requestAnimationFrame);
  for (let i = 0; i < n; i++) {
    pointer("pointermove", 20 + 2 * i, 20 + i, { shiftKey });
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  pointer("pointerup", 20 + 2 * n, 20 + n, { shiftKey });
  return times;
};
"""


@dataclass
class Wire:
    """What answers the page, and counts what crosses."""

    explorer: Explorer
    n_bytes: int = 0
    _changed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.explorer.observe(self._note, self.names)

    @property
    def names(self) -> list[str]:
        """Traits that a view sees."""
        return [name for name in self.explorer.trait_names(sync=True) if name not in ("request", "answer")]

    def _note(self, change: Any) -> None:
        self._changed[change["name"]] = change["new"]

    def told(self, message: str) -> str:
        """Answer one message."""
        told = json.loads(message)
        self._changed = {}
        answer: dict[str, Any] = {name: getattr(self.explorer, name) for name in self.names}
        if "set" in told:
            setattr(self.explorer, *told["set"])
            answer = {"changed": self._changed}
        elif "ask" in told:
            self.explorer.request = {"id": time.monotonic(), **told["ask"]}
            answer = {"changed": self._changed, "answer": self.explorer.answer}
        text = json.dumps(answer)
        self.n_bytes += len(message) + len(text)
        return text

    def count(self) -> int:
        """Bytes since this was asked last."""
        n, self.n_bytes = self.n_bytes, 0
        return n


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One grid; times in milliseconds, each the median of some."""

    n_chunks: int
    open_ms: float
    """In Python, from virtual arrays to all that the view is given."""
    picture_ms: float
    """From asking for it to the first picture on the screen."""
    picture_bytes: int
    select_ms: float
    """From a click to the chunk's place and cost on the screen."""
    select_bytes: int
    level_ms: float
    """From zooming to the finer level on the screen: a pause to see whether more is coming is part of it."""
    level_bytes: int
    colour_ms: float
    pan_fps: float
    """Frames a second while the near map is dragged."""
    choose_fps: float
    """Frames a second while a rectangle of chunks is."""


def array(grid: tuple[int, int]) -> ManifestArray:
    """Chunks of varied sizes, one after another in ten files."""
    n = grid[0] * grid[1]
    lengths = np.random.default_rng(0).integers(1_000, 9_000, n).astype(np.uint64)
    offsets = (np.cumsum(lengths) - lengths).astype(np.uint64)
    manifest = ChunkManifest(
        sources=[SourceFile(url=f"s3://bucket/part_{i}.nc", size_bytes=1 << 33) for i in range(10)],
        source_index=(np.arange(n) * 10 // n).astype(np.uint32).reshape(grid),
        offsets=offsets.reshape(grid),
        lengths=lengths.reshape(grid),
    )
    metadata = ArrayMetadata.create(
        shape=(grid[0] * 10, grid[1] * 10),
        dtype="f4",
        chunks=(10, 10),
        codecs=(
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "numcodecs.zlib", "configuration": {"level": 4}},
        ),
        dimension_names=("y", "x"),
    )
    return ManifestArray(metadata=metadata, manifest=manifest)


def measure(chromium: Any, folder: Path, grid: tuple[int, int], *, repeats: int) -> Measured:
    """Explore one grid as a person would."""
    group = ManifestGroup(arrays={"a": array(grid)})
    began = time.perf_counter()
    wire = Wire(Explorer(explored=open_explored(group)))
    open_ms = 1000 * (time.perf_counter() - began)
    file = folder / "page.html"
    file.write_text(
        f"<!doctype html><meta charset=utf-8><main></main><script type=module>{ESM}\n{HOST}</script>",
        encoding="utf-8",
    )
    page: Page = chromium.new_page(viewport={"width": 1000, "height": 900})
    page.expose_function("told", wire.told)
    page.goto(file.as_uri())
    picture_ms = page.evaluate("start()")
    picture_bytes = wire.count()
    selects = [
        page.evaluate(
            """i => { const before = document.querySelector('.vzx-detail').innerText;
            return until(() => document.querySelector('.vzx-detail').innerText !== before,
                () => { pointer('pointerdown', 30 + 25 * i, 30); pointer('pointerup', 30 + 25 * i, 30); }) }""",
            i,
        )
        for i in range(repeats)
    ]
    select_bytes = wire.count() // repeats
    colours = [
        page.evaluate(
            """by => until(() => true, () => { const choice = document.querySelector('.vzx-controls select');
            choice.value = by; choice.dispatchEvent(new Event('change')); })""",
            by,
        )
        for by in ("size", "ratio") * ((repeats + 1) // 2)
    ]
    wire.count()
    levels, level_bytes = [], 0
    page.evaluate("stage().focus()")
    for _ in range(3 if max(grid) > 200 else 0):
        # Each comes nearer; a level that is fine enough already asks for nothing.
        took = page.evaluate(
            """() => { window.asked = 0; const plain = window.told;
            window.told = async (m) => { const a = await plain(m); if (m.includes('"level"')) window.asked = 1; return a; };
            return Promise.race([until(() => window.asked, () => { document.querySelector('[aria-label="Zoom in"]').click(); }),
                new Promise((done) => setTimeout(done, 2000))]).finally(() => { window.told = plain; }); }"""
        )
        n_bytes = wire.count()
        if took is not None and n_bytes:
            levels.append(took)
            level_bytes = max(level_bytes, n_bytes)
    page.evaluate("document.querySelector('[aria-label=\"Zoom in\"]').click()")
    pan = page.evaluate("n => drag(n, true)", N_FRAMES)
    choose = page.evaluate("n => drag(n, false)", N_FRAMES)
    page.close()
    return Measured(
        n_chunks=grid[0] * grid[1],
        open_ms=open_ms,
        picture_ms=picture_ms,
        picture_bytes=picture_bytes,
        select_ms=statistics.median(selects),
        select_bytes=select_bytes,
        level_ms=statistics.median(levels) if levels else float("nan"),
        level_bytes=level_bytes,
        colour_ms=statistics.median(colours),
        pan_fps=1000 * len(pan) / sum(pan),
        choose_fps=1000 * len(choose) / sum(choose),
    )


def report(found: Sequence[Measured]) -> str:
    """The measurements as a table."""
    head = (
        "| chunks | open, in Python | first picture | a click | nearer | colours | panning | choosing |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    rows = [
        f"| {m.n_chunks:,} | {m.open_ms:.0f} ms | {m.picture_ms:.0f} ms, {m.picture_bytes / 1000:.0f} kB | "
        f"{m.select_ms:.0f} ms, {m.select_bytes / 1000:.0f} kB | "
        + (f"{m.level_ms:.0f} ms, {m.level_bytes / 1000:.0f} kB | " if m.level_bytes else "| ")
        + f"{m.colour_ms:.0f} ms | {m.pan_fps:.0f} fps | {m.choose_fps:.0f} fps |"
        for m in found
    ]
    return "\n".join([head, *rows])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exploring", description=__doc__)
    parser.add_argument("--small", action="store_true", help="leave the largest grid out")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="clicks of each kind")
    parser.add_argument("--write", action="store_true", help=f"put what was measured into {PAGE.name}")
    options = parser.parse_args(arguments)
    grids = GRIDS[:-1] if options.small else GRIDS
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        # The first page pays for starting the browser.
        measure(chromium, Path(folder), GRIDS[0], repeats=2)
        found = [measure(chromium, Path(folder), grid, repeats=options.repeats) for grid in grids]
        chromium.close()
    text = f"{report(found)}\n\n{setting(form='In a headless Chromium without a graphics card')}"
    print(text)
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
