"""Every fault against every level: caught, or outside what the level claims."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import xarray as xr

import vzlab.testing as vt
from tests.archives import write_daily_files
from tests.testing.cubes import join_in_order
from vzlab.datasets import open_virtual_datatree
from vzlab.manifests import ManifestGroup
from vzlab.testing.comparison import LEVELS
from vzlab.testing.faults import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_daily_files(
        tmp_path_factory.mktemp("archive"),
        n_days=3,
        odd_days={day: {"global_attributes": {"granule_id": f"g-{day}"}} for day in range(3)},
    )


@pytest.fixture(scope="module")
def cube(files: list[Path]) -> xr.Dataset:
    return join_in_order(files).drop_attrs(deep=False)


def make(name: str, cube: xr.Dataset, folder: Path) -> xr.Dataset:
    return FAULTS[name](cube, "sst", folder if FAULTS[name].needs_folder else None)


def test_the_cube_without_faults_passes(cube: xr.Dataset, files: list[Path]) -> None:
    comparison = vt.compare(cube, files)
    assert comparison.verdict == "PASS", str(comparison)
    assert all(level.checked for level in comparison.levels)


@pytest.fixture(scope="module")
def comparisons(
    cube: xr.Dataset, files: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, vt.Comparison]:
    return {
        name: vt.compare(make(name, cube, tmp_path_factory.mktemp(name)), files, exact=True)
        for name in FAULTS
    }


@pytest.mark.parametrize("name", FAULTS)
def test_each_level_catches_what_it_claims_and_nothing_else(
    name: str, comparisons: dict[str, vt.Comparison]
) -> None:
    comparison = comparisons[name]
    assert {finding.level for finding in comparison.findings} == FAULTS[name].caught_by, str(comparison)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("level", LEVELS)
def test_a_level_alone_gives_the_verdict_that_the_table_says(
    name: str, level: str, cube: xr.Dataset, files: list[Path], tmp_path: Path
) -> None:
    verdict = vt.compare(make(name, cube, tmp_path), files, levels=[level]).verdict
    assert verdict == ("FAIL" if level in FAULTS[name].caught_by else "PASS")


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("byte_order", "byte order"),
        ("drifted_scale", "scale of another file"),
        ("lost_mask", "lost mask"),
        ("missing_chunk", "missing read as fill"),
        ("shifted_append", "shifted"),
        ("swapped_chunks", "swapped"),
        ("truncated_copy", "truncated"),
        ("wrong_offset", "wrong offset"),
        ("wrong_file", "swapped file"),
    ],
)
def test_the_report_names_the_cause(
    name: str, cause: str, cube: xr.Dataset, files: list[Path], tmp_path: Path
) -> None:
    comparison = vt.compare(make(name, cube, tmp_path), files)
    assert any(cause in finding.cause for finding in comparison.findings), str(comparison)


def test_faults_are_made_in_groups_too(files: list[Path]) -> None:
    group = vt_group(files[0])
    assert vt.compare(group, files[0]).passed
    assert vt.compare(vt.faults.swapped_chunks(group, "sst"), files[0]).verdict == "FAIL"
    assert vt.compare(vt.faults.lost_mask(group, "sst"), files[0]).verdict == "FAIL"


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_made_below_the_root_too(name: str, files: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "groups.nc"
    with xr.open_dataset(files[0], decode_cf=False) as day:
        whole = xr.DataTree.from_dict({"/": xr.Dataset(), "/model/ocean": day.load()})
        whole.to_netcdf(path, engine="h5netcdf", encoding={"/model/ocean": {"sst": {"chunksizes": (1, 5, 10),
            "zlib": True, "shuffle": True}}})  # fmt: skip
    fault, results = FAULTS[name], []
    for kind, x in (("group", vt_group(path)), ("tree", open_virtual_datatree(path))):
        folder = tmp_path / kind
        folder.mkdir()
        wrong = fault(x, "model/ocean/sst", folder if fault.needs_folder else None)
        results.append({finding.level for finding in vt.compare(wrong, path, exact=True).findings})
    expected = set() if name == "wrong_file" else fault.caught_by  # there is no other file
    # A copy that is cut loses the coordinates behind the cut as well.
    beside = {"L1"} if name == "truncated_copy" else set()
    assert [found - beside for found in results] == [expected, expected]


def vt_group(file: Path) -> ManifestGroup:
    from vzlab.datasets import open_group

    return open_group(file)


def test_a_fault_leaves_its_file_and_its_input_alone(files: list[Path], tmp_path: Path) -> None:
    group = vt_group(files[0])
    before = files[0].read_bytes()
    vt.faults.flipped_bit(group, "sst", tmp_path)
    assert files[0].read_bytes() == before
    assert group == vt_group(files[0])


def test_the_page_of_faults_is_what_comparing_finds(comparisons: dict[str, vt.Comparison]) -> None:
    lines = [
        "# Faults, and the levels that catch them",
        "",
        "Each fault is made on purpose by `vzlab.testing.faults` in a cube of three daily files, and compared on every level. An",
        "empty place is no failure: such a fault is beyond what the level claims.",
        "",
        f"| fault | what is wrong | {' | '.join(f'{level} {title}' for level, title in LEVELS.items())} |",
        f"| --- | --- |{' :---: |' * len(LEVELS)}",
    ]
    for name, fault in FAULTS.items():
        found = {finding.level for finding in comparisons[name].findings}
        lines.append(
            f"| `{name}` | {fault.what} | {' | '.join('caught' * (level in found) for level in LEVELS)} |"
        )
    lines += ["", "Written by `VZLAB_REGENERATE=1 pytest tests/testing/test_faults.py`.", ""]
    text = "\n".join(line.replace("|  ", "| ") for line in lines)
    if os.environ.get("VZLAB_REGENERATE"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "Run with VZLAB_REGENERATE=1 and look at what changed"
