"""What `compare` and `verify` give as JSON is what the published schemas say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import vzlab as vz
from tests.check import ROOT
from vzlab.render.receipt_schemas import comparison_schema, verification_schema

PUBLISHED = {
    "vzlab-comparison-1": comparison_schema,
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
