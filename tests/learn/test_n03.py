"""Wrong answers to the exercises of notebook 03 are told from each other, and what it says of mistakes is so."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import xarray as xr

import vzlab as vz
from vzlab.learn.exercise import verdict
from vzlab.samples import DailyArchive, make_daily_archive

EFFECTS = {
    "length is 10 bytes short": "error",
    "the chunk of the next day's file": "wrong",
    "a file that is not there": "error",
    "shuffle left out of the codecs": "wrong",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DailyArchive:
    return make_daily_archive(tmp_path_factory.mktemp("n03"), n_files=2, odd=-1, missing=2)


def native_references(path: Path) -> dict[str, dict[str, Any]]:
    """The manifest of ``sst`` as the HDF5 library has it."""
    with h5py.File(path) as file:
        stored = file["sst"].id
        places = [stored.get_chunk_info(number) for number in range(stored.get_num_chunks())]
    return {
        f"0.{place.chunk_offset[1] // 30}.{place.chunk_offset[2] // 60}": {
            "url": path.as_uri(),
            "offset": place.byte_offset,
            "length": place.size,
        }
        for place in places
    }


def test_manifest(archive: DailyArchive) -> None:
    right = native_references(archive.files[0])
    middle = right["0.1.1"]
    wrong: dict[str, Any] = {
        "Give the dictionary": [1, 2],
        "Keys are text": {(0, 0, 0): middle},
        "indices of elements": {"0.30.60": middle},
        "One entry": {"0.0.0": middle},
        "is no chunk of a grid": right | {"0.0.3": middle},
        "2 of the nine": {key: right[key] for key in sorted(right)[:7]},
        "url, offset and length": right | {"0.1.1": {"offset": 3}},
        "working directory": right | {"0.1.1": middle | {"url": archive.files[0].name}},
        "another file": right | {"0.1.1": middle | {"url": archive.files[1].as_uri()}},
        "not where they end": right | {"0.1.1": middle | {"length": middle["offset"] + middle["length"]}},
        "rows and columns": right | {"0.1.2": right["0.2.1"], "0.2.1": right["0.1.2"]},
        ".byte_offset": right | {"0.1.1": middle | {"offset": 0}},
    }
    assert {
        hint: hint in verdict("03-manifest", answer).says for hint, answer in wrong.items()
    } == dict.fromkeys(wrong, True)
    assert verdict("03-manifest", right).is_right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (["error"] * 4, "Give a dictionary"),
        ({"short": "error"}, "none of the four"),
        (
            {"length is 10 bytes short": "error"},
            'And "the chunk of the next day\'s file"?',
        ),
        (EFFECTS | {"a file that is not there": "nan"}, "none of the three words"),
        (EFFECTS | {"a file that is not there": "hole"}, "3 of 4 are right. A chunk without a reference"),
        (EFFECTS | {"length is 10 bytes short": "wrong"}, "knows where it ends"),
        (dict.fromkeys(EFFECTS, "error"), "2 of 4 are right"),
    ],
    ids=["a list", "another name", "one of four", "another word", "a hole", "short", "all errors"],
)
def test_effects(answer: Any, hint: str) -> None:
    said = verdict("03-effects", answer)
    assert not said.is_right
    assert hint in said.says


def test_what_is_taught_of_mistakes_is_what_happens(archive: DailyArchive) -> None:
    right, tomorrow = (native_references(path) for path in archive.files)
    middle = right["0.1.1"]
    parsed = vz.open_group(archive.files[0])["sst"]
    assert isinstance(parsed, vz.ManifestArray)

    def seen(references: dict[str, Any], metadata: vz.ArrayMetadata = parsed.metadata) -> str:
        manifest = vz.ChunkManifest.from_dict(references, grid_shape=(1, 3, 3))
        array = vz.ManifestArray(metadata=metadata, manifest=manifest)
        sst = xr.open_zarr(
            vz.ManifestStore(vz.ManifestGroup(arrays={"sst": array})), consolidated=False, chunks=None
        ).sst
        try:
            values = sst.load()
        except (vz.errors.CodecError, vz.errors.UnreachableChunkError):
            return "error"
        with xr.open_dataset(archive.files[0], engine="h5netcdf") as native:
            if values.equals(native.sst.drop_vars(list(native.coords))):
                return "right"
            return "hole" if values.count() < native.sst.count() else "wrong"

    bytes_codec, _, zlib_codec = parsed.metadata.codecs
    assert seen(right) == "right"
    assert seen({key: right[key] for key in sorted(right)[1:]}) == "hole"
    effects = {
        "length is 10 bytes short": seen(right | {"0.1.1": middle | {"length": middle["length"] - 10}}),
        "the chunk of the next day's file": seen(right | {"0.1.1": tomorrow["0.1.1"]}),
        "a file that is not there": seen(right | {"0.1.1": middle | {"url": middle["url"] + ".gone"}}),
        "shuffle left out of the codecs": seen(
            right, replace(parsed.metadata, codecs=(bytes_codec, zlib_codec))
        ),
    }
    assert verdict("03-effects", effects).is_right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ("0.0.2", "give a set of both"),
        ({(0, 0, 2), (0, 1, 0)}, "as text"),
        ({"0.1.1", "0.1.2"}, "section 4"),
        ({"0.0.2"}, "That is 1 of them"),
        ({"0.0.2", "0.2.2"}, "One of them is right"),
        ({"0.0.0", "0.2.2"}, "where they belong"),
    ],
)
def test_exchanged(answer: Any, hint: str) -> None:
    assert hint in verdict("03-exchanged", answer).says


def test_the_notebook_exchanges_what_the_exercise_asks_for(archive: DailyArchive) -> None:
    drawn = random.Random(3).sample(sorted(native_references(archive.files[0])), 2)
    assert verdict("03-exchanged", set(drawn)).is_right
