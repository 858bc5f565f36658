"""What reports and instruments give as JSON is what the published schemas say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import vzlab as vz
from tests.check import ROOT
from vzlab.inspection import compare_costs, compare_recordings
from vzlab.inspection.instrument_schemas import cost_schema, diff_schema, recording_schema, trace_schema
from vzlab.learn.health import health_schema
from vzlab.render.receipt_schemas import (
    check_schema,
    comparison_schema,
    fingerprint_schema,
    verification_schema,
)

PUBLISHED = {
    "vzlab-check-1": check_schema,
    "vzlab-comparison-1": comparison_schema,
    "vzlab-cost-1": cost_schema,
    "vzlab-diff-1": diff_schema,
    "vzlab-doctor-1": health_schema,
    "vzlab-fingerprint-1": fingerprint_schema,
    "vzlab-recording-1": recording_schema,
    "vzlab-trace-1": trace_schema,
    "vzlab-verification-1": verification_schema,
}


def read(name: str) -> Any:
    return json.loads((ROOT / "docs/schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schema_is_sound_and_that_of_the_model(name: str) -> None:
    assert read(name) == PUBLISHED[name](), f"The model changed: write {name} anew"
    jsonschema.Draft202012Validator.check_schema(read(name))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": "vzlab-inspection/1"}, read(name))


def test_every_schema_is_listed_and_is_held_against_its_model() -> None:
    page = (ROOT / "docs/json-schemas.md").read_text(encoding="utf-8")
    files = sorted(path.name for path in (ROOT / "docs/schemas").iterdir())
    assert sorted(set(re.findall(r"\(schemas/(\S+)\)", page))) == files
    named = {*PUBLISHED, "vzlab-inspection-1"}  # which tests/inspection/test_json.py holds
    assert files == sorted(f"{name}.schema.json" for name in named)


@pytest.mark.parametrize("fault", [None, vz.testing.faults.swapped_chunks, vz.testing.faults.wrong_offset])
@pytest.mark.parametrize(
    ("name", "judge"), [("vzlab-comparison-1", vz.compare), ("vzlab-verification-1", vz.verify)]
)
def test_documents_are_what_their_schema_says(
    tmp_path: Path, name: str, judge: Callable[..., Any], fault: Callable[..., Any] | None
) -> None:
    archive = vz.samples.make_daily_archive(tmp_path, n_files=3, odd=2)
    cube = vz.open_virtual_mfdataset(archive.files[:2], progress=False)
    given = cube if fault is None else fault(cube, "sst")
    report = judge(given, archive.files[:2], progress=False) if judge is vz.compare else judge(given)
    text = json.dumps(report.to_dict(), allow_nan=False)
    jsonschema.Draft202012Validator(read(name)).validate(json.loads(text))


def checks(archive: vz.samples.DailyArchive, swath: Path) -> Iterator[Any]:
    yield vz.check_combine(archive.files)
    yield vz.check_combine(archive.files[:1])


def costs(archive: vz.samples.DailyArchive, swath: Path) -> Iterator[Any]:
    file = archive.files[0]
    whole, point = vz.cost(file, "sst"), vz.cost(file, "sst", (0, 40, 80), chunks=(1, 90, 180))
    yield from (whole, point, compare_costs([whole, point]))
    yield vz.cost(file, "sst", (0, slice(0, 0)))  # nothing is asked for: no amplification


def diffs(archive: vz.samples.DailyArchive, swath: Path) -> Iterator[Any]:
    first = archive.files[0]
    yield from (vz.diff(first, archive.odd_file), vz.diff(first, swath), vz.diff(first, first))


def doctors(archive: vz.samples.DailyArchive, swath: Path) -> Iterator[Any]:
    yield vz.doctor()


def fingerprints(archive: vz.samples.DailyArchive, swath: Path) -> Iterator[Any]:
    yield vz.fingerprint(archive.files[0], sample=2)
    yield vz.fingerprint(swath)


def recordings(archive: vz.samples.DailyArchive, swath: Path) -> Iterator[Any]:
    with vz.record("parsing") as parsing:
        vz.open_virtual_dataset(archive.files[0])
    with vz.record("nothing") as nothing:
        pass
    yield from (parsing, nothing, compare_recordings([parsing, nothing]))


def traces(archive: vz.samples.DailyArchive, swath: Path) -> Iterator[Any]:
    first = archive.files[0]
    yield vz.trace(first, "sst", (0, 40, 80))
    yield vz.trace(vz.open_virtual_dataset(first), "ice", (0, 0, 0), native=False)
    yield vz.trace(first, "time", 0)
    yield from (
        vz.trace(swath, name, [0] * array.ndim) for name, array in vz.open_group(swath).arrays.items()
    )
    held_and_missing = vz.ManifestArray(
        metadata=vz.ArrayMetadata.create(
            shape=(4,),
            dtype=np.dtype("<f4"),
            chunks=(2,),
            codecs=[{"name": "bytes", "configuration": {"endian": "little"}}],
            fill_value=np.nan,
        ),
        manifest=vz.ChunkManifest.from_inline([np.ones(2, "<f4").tobytes(), None], (2,)),
    )
    yield from (vz.trace(held_and_missing, index=at) for at in (0, -1))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[vz.samples.DailyArchive, Path]:
    folder = tmp_path_factory.mktemp("samples")
    swath = vz.samples.make_swath(folder / "swath").files[0]
    return vz.samples.make_daily_archive(folder / "daily", n_files=3, odd=2), swath


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("vzlab-check-1", checks),
        ("vzlab-cost-1", costs),
        ("vzlab-diff-1", diffs),
        pytest.param("vzlab-doctor-1", doctors, marks=pytest.mark.slow),
        ("vzlab-fingerprint-1", fingerprints),
        ("vzlab-recording-1", recordings),
        ("vzlab-trace-1", traces),
    ],
)
def test_every_kind_of_document_is_what_its_schema_says(
    name: str,
    make: Callable[[vz.samples.DailyArchive, Path], Iterator[Any]],
    samples: tuple[vz.samples.DailyArchive, Path],
) -> None:
    for report in make(*samples):
        document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert document["schema"].replace("/", "-") == name
        jsonschema.Draft202012Validator(read(name)).validate(document)


def test_no_entry_is_lost_or_added(tmp_path: Path) -> None:
    """A schema that lets everything through would pass the test above."""
    document = vz.cost(vz.samples.make_daily_archive(tmp_path, n_files=1, odd=-1).files[0], "sst").to_dict()
    validator = jsonschema.Draft202012Validator(read("vzlab-cost-1"))
    assert validator.is_valid(json.loads(json.dumps(document)))
    for changed in (
        document | {"more": 1},
        document | {"n_chunks": "9"},
        {k: v for k, v in document.items() if k != "time_s"},
    ):
        assert not validator.is_valid(json.loads(json.dumps(changed)))
