"""Views of the instruments: hostile names stay text, only what sanitisers keep, small, pictures with words."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import vzlab as vz
from tests.archives import write_daily_file
from tests.inspection.arrays import virtual_array
from tests.render.test_views import (
    ATTRIBUTES,
    BUDGET_BYTES,
    HOSTILE,
    KEPT_BY_SANITISERS,
    checked,
    without_upgrade,
)
from vzlab.inspection import Recording, compare_costs, compare_recordings, cost, record, trace
from vzlab.inspection.record import RequestColumns
from vzlab.render import to_page
from vzlab.render.waterfall import MAX_ROWS, draw_waterfall
from vzlab.storage import Request


def requests(n: int, *, n_files: int = 3, name: str = "x") -> list[Request]:
    return [
        Request(
            url=f"https://host/{name}_{i % n_files}.nc",
            offset=10 * (i % 50),
            length=10,
            kind=("open", "range", "chunk")[min(i, 2)],
            started_s=0.01 * (i // 4),
            ended_s=0.01 * (i // 4) + 0.008,
        )
        for i in range(n)
    ]


def recording_of(made: list[Request], title: str = "made") -> Recording:
    with record(title) as recording:
        recording.log.requests.extend(made)
    return recording


def hostile_views(tmp_path: Path) -> list[Any]:
    path = tmp_path / "<b>&\"' x.h5"
    with h5py.File(path, "w") as file:
        for name in HOSTILE:
            if "/" in name:
                continue
            dataset = file.create_dataset(
                name, data=np.arange(6, dtype="i2"), chunks=(3,), compression="gzip"
            )
            dataset.attrs["units"] = name
            dataset.attrs["scale_factor"] = 0.5
            dataset.attrs["_FillValue"] = np.int16(3)
    group = vz.open_group(path)
    names = [name for name in HOSTILE if "/" not in name]
    traces = [trace(x, name, i) for name in names for x, i in ((path, 0), (group, 3))]
    costs = [cost(group, name, slice(0, 4), chunks=(2,)) for name in names]
    recordings = [recording_of(requests(5, name=name), title=name) for name in HOSTILE]
    fingerprints = [vz.fingerprint(group), vz.fingerprint(path, sample=1)]
    return [*traces, *costs, compare_costs(costs), *recordings, compare_recordings(recordings), *fingerprints]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    for view in hostile_views(tmp_path):
        markup = without_upgrade(view._repr_html_())
        checker = checked(markup)
        assert {tag for tag, _ in checker.tags} <= KEPT_BY_SANITISERS
        for tag, attributes in checker.tags:
            assert set(attributes) <= ATTRIBUTES, tag
            style = attributes.get("style") or ""
            for lost in ("var(", "transform", "position", "image-rendering", "url(", "color-mix"):
                assert lost not in style
            if tag == "img":
                assert (attributes["src"] or "").startswith("data:image/png;base64,")
                assert len(attributes["alt"] or "") > 20
        for text in ("".join(checker.text), str(view)):
            assert "\x1b" not in text
            assert "\u202e" not in text
        page = checked(to_page(view).removeprefix("<!doctype html>"))
        assert not any(tag == "script" for tag, _ in page.tags)


def test_views_keep_to_their_budget(tmp_path: Path) -> None:
    array = virtual_array((1000, 1000), n_sources=900)
    costs = [cost(array, f"variable {'x' * 500}", i) for i in range(200)]
    recording = recording_of(requests(20_000, n_files=2_000))
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(100, "S9000"), chunks=(10,), shuffle=True, compression="gzip")
    kept = vz.fingerprint(path)
    (entry,) = kept.variables.values()
    many = replace(
        kept, variables={f"{i} {'x' * 500}": replace(entry, dims=("d" * 900,)) for i in range(900)}
    )
    views = [costs[0], compare_costs(costs), recording, trace(path, "x", 50), many]
    for view in views:
        markup = view._repr_html_()
        checked(markup)
        assert len(markup.encode()) <= BUDGET_BYTES
        assert len(str(view).splitlines()) < 100
    assert len(compare_recordings([recording, recording])._repr_html_().encode()) <= 2 * BUDGET_BYTES


def test_the_trace_shows_its_way(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    seen = "".join(checked(without_upgrade(trace(path, "sst", (1, 3, 7))._repr_html_())).text)
    for words in ("sst[1, 3, 7] is 285.1 K", "inflate", "unshuffle", "1195 × 0.01 + 273.15 = 285.1", "h5py"):
        assert words in seen
    assert re.search(r"byte 1 of each, from \d+ +(..\s)*04", seen)


def test_a_fingerprint_says_what_it_will_find_and_what_not(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    whole, sample = vz.fingerprint(path), vz.fingerprint(path, sample=1)
    n_chunks = vz.open_group(path)["sst"].manifest.n_chunks
    for view, words in (
        (whole, (f"all {n_chunks} chunks", "Any value that changed is found", "stored")),
        (sample, (f"of {n_chunks} chunks", "what changed in other chunks is not seen")),
    ):
        seen = "".join(checked(without_upgrade(view._repr_html_())).text)
        for word in words:
            assert word in seen
            assert word in " ".join(str(view).split())
    assert whole.to_html(tmp_path / "kept.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_missing_and_an_inline_chunk_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (6,), "i2", chunks=(3,), fillvalue=-9)
    view = trace(path, "x", 4)
    assert view.agrees is True
    assert "never written" in str(view)
    assert "-9, the fill value" in str(view)
    assert "never written" in view._repr_html_()


def picture(columns: RequestColumns, longest_s: float) -> tuple[int, int]:
    drawn = draw_waterfall(columns, longest_s)
    width, height = struct.unpack(">II", drawn.png[16:24])
    return width, height


@pytest.mark.parametrize("n", [1, 2, 50, 161, 5000])
def test_a_waterfall_has_a_row_for_each_request_or_shares_them(n: int) -> None:
    columns = RequestColumns.of(requests(n))
    width, height = picture(columns, 2.0)
    assert width == 640
    assert height <= 320
    assert height >= min(n, MAX_ROWS)
    alt = draw_waterfall(columns, 2.0).alt
    assert f"{n:,} request" in alt


def test_the_table_says_what_the_waterfall_shows() -> None:
    recording = recording_of(requests(8, n_files=1))
    seen = "".join(checked(without_upgrade(recording._repr_html_())).text)
    assert "8 requests, 2 for metadata and 6 for chunks, 80 B from 1 file" in seen
    assert seen.count("a chunk") == 6
    again = recording_of([*requests(8, n_files=1), *requests(8, n_files=1)])
    markup = again._repr_html_()
    assert "80 B of it had come before" in markup
    assert "a chunk, again" in markup
