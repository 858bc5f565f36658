"""Whole comparisons: what both sides may be, what is found, what is never passed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import h5py
import numpy as np
import pytest
import xarray as xr

import vzlab.testing as vt
from tests.archives import write_daily_file, write_daily_files
from tests.testing.cubes import join_in_order, passed_off_as_alike
from vzlab.datasets import open_group, open_manifest_store, open_virtual_dataset
from vzlab.errors import VerificationError
from vzlab.storage import RequestLog, StoreRegistry


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_daily_files(tmp_path_factory.mktemp("archive") / "a b#1", n_days=3)


@pytest.fixture(scope="module")
def cube(files: list[Path]) -> xr.Dataset:
    return join_in_order(files)


def causes(comparison: vt.Comparison) -> str:
    return "; ".join(finding.cause for finding in comparison.findings)


# -- what the sides may be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", ["list", "glob", "left out", "shuffled list"])
def test_native_files_in_any_form_and_order(native: str, cube: xr.Dataset, files: list[Path]) -> None:
    given = {
        "list": files,
        "glob": str(files[0].parent / "*.nc"),
        "left out": None,
        "shuffled list": [files[2], files[0], files[1]],
    }[native]
    comparison = vt.compare(cube, given)
    assert comparison.verdict == "PASS", str(comparison)
    assert comparison.n_files == 3


def test_one_file_by_path_as_group_as_store_and_as_dataset(files: list[Path]) -> None:
    for virtual in (
        files[0],
        open_group(files[0]),
        open_manifest_store(files[0]),
        open_virtual_dataset(files[0]),
    ):
        comparison = vt.compare(virtual, files[0])
        assert comparison.verdict == "PASS", str(comparison)
        assert all(level.checked == level.total for level in comparison.levels)


def test_a_manifest_store_opened_with_xarray_is_compared_on_every_level(files: list[Path]) -> None:
    with xr.open_dataset(
        open_manifest_store(files[0]), engine="zarr", consolidated=False, chunks=None
    ) as opened:
        comparison = vt.compare(opened, files[0])
    assert comparison.verdict == "PASS", str(comparison)
    assert all(level.checked for level in comparison.levels)


def test_icechunk_by_path_session_and_lazy_dataset(
    cube: xr.Dataset, files: list[Path], tmp_path: Path
) -> None:
    from vzlab.writers import open_icechunk

    cube.vzlab.to_icechunk(tmp_path / "repo")
    session = open_icechunk(tmp_path / "repo").readonly_session("main")
    lazy = xr.open_zarr(session.store, consolidated=False, chunks=None)
    for virtual in (str(tmp_path / "repo"), session, session.store, lazy):
        for native in (files, None):
            comparison = vt.compare(virtual, native)
            assert comparison.verdict == "PASS", str(comparison)
            assert {level.level for level in comparison.levels if level.checked} >= {
                "L0",
                "L1",
                "L3",
                "L4",
                "L5",
            }


def test_kerchunk_references_by_path_and_as_a_dict(
    cube: xr.Dataset, files: list[Path], tmp_path: Path
) -> None:
    cube.vzlab.to_kerchunk(tmp_path / "k.json")
    cube.vzlab.to_kerchunk(tmp_path / "k.parquet", format="parquet")
    for virtual in (tmp_path / "k.json", json.loads((tmp_path / "k.json").read_text())):
        comparison = vt.compare(virtual, files)
        assert comparison.verdict == "PASS", str(comparison)
        assert next(level for level in comparison.levels if level.level == "L2").checked == cube.vzlab.n_refs
    assert vt.compare(tmp_path / "k.parquet", files).verdict == "PASS"


def test_a_wrong_offset_in_kerchunk_references_is_found(
    cube: xr.Dataset, files: list[Path], tmp_path: Path
) -> None:
    vt.faults.wrong_offset(cube, "sst", chunk=(5, 1, 1)).vzlab.to_kerchunk(tmp_path / "k.json")
    comparison = vt.compare(tmp_path / "k.json", files, levels=["L2"])
    assert [(f.variable, f.chunk) for f in comparison.findings if f.cause == "a wrong offset"] == [
        ("sst", (5, 1, 1))
    ]


def test_an_opened_native_dataset_has_decoded_values_only(cube: xr.Dataset, files: list[Path]) -> None:
    with xr.open_mfdataset(files) as native:
        comparison = vt.compare(cube, native)
        assert comparison.verdict == "PASS", str(comparison)
        assert "stored values not compared" in comparison.coverage
        assert vt.compare(cube, native, levels=["L4"]).verdict == "UNVERIFIED"
        assert vt.compare(vt.faults.drifted_scale(cube, "sst"), native, levels=["L5"]).verdict == "FAIL"


def test_an_unknown_kind_of_object_is_refused(files: list[Path]) -> None:
    with pytest.raises(TypeError, match="expected a virtual"):
        vt.compare(object(), files)


# -- how files make up the cube ---------------------------------------------------------------------------------------


def test_swapped_files_under_the_right_coordinate_are_found(cube: xr.Dataset, files: list[Path]) -> None:
    wrong = join_in_order([files[0], files[2], files[1]]).assign_coords(time=cube["time"])
    for native in (files, None):
        comparison = vt.compare(wrong, native)
        assert comparison.verdict == "FAIL"
        assert "swapped file" in causes(comparison)
        assert {f.level for f in comparison.findings} == {"L2", "L3", "L4", "L5"}


def test_files_in_another_order_with_their_coordinate_differ_in_the_coordinate_alone(
    files: list[Path],
) -> None:
    comparison = vt.compare(join_in_order([files[0], files[2], files[1]]), files)
    assert {(f.level, f.variable) for f in comparison.findings} == {("L1", "time")}


def test_a_file_that_the_cube_lacks_is_found(files: list[Path]) -> None:
    comparison = vt.compare(join_in_order([files[0], files[2]]), files)
    assert any(
        f.level == "L0" and "length: 8 along 'time', and 12 natively" in f.message
        for f in comparison.findings
    )


def test_the_same_file_twice_is_found(files: list[Path]) -> None:
    assert vt.compare(join_in_order([files[0], files[0], files[1]]), None).verdict == "FAIL"


def test_days_filled_in_by_reindexing_must_read_as_fill(files: list[Path]) -> None:
    two = join_in_order([files[0], files[2]])
    filled = two.reindex(time=join_in_order(files)["time"], fill_value={"sst": -32767})
    comparison = vt.compare(filled, [files[0], files[2]])
    assert comparison.verdict == "PASS", str(comparison)
    assert any("must read as fill" in note for note in comparison.notes)
    invented = join_in_order(files)
    assert vt.compare(invented, [files[0], files[2]]).verdict == "FAIL"


def test_virtual_times_under_the_units_of_the_first_file_are_found(tmp_path: Path) -> None:
    files = write_daily_files(
        tmp_path, n_days=2, odd_days={1: {"time_units": "hours since 2024-01-02 00:00:00"}}
    )
    comparison = vt.compare(join_in_order(files, loadable_variables=[]), files)
    assert "time units of another file" in causes(comparison)
    assert vt.compare(join_in_order(files), files).verdict == "PASS"


def test_tiles_in_two_dimensions_find_their_places(tmp_path: Path) -> None:
    paths = []
    values = np.arange(8 * 12, dtype="i4").reshape(8, 12)
    for row in range(2):
        for column in range(3):
            path = tmp_path / f"{column}{row}.nc"
            paths.append(path)
            part = np.s_[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            xr.Dataset(
                {"v": (("y", "x"), values[part])},
                coords={"y": 70 - np.arange(8.0)[part[0]], "x": np.arange(12.0)[part[1]]},
            ).to_netcdf(path, engine="h5netcdf")
    opened = {path.stem: open_virtual_dataset(path) for path in paths}
    join = partial(xr.concat, data_vars="all", coords="minimal", compat="override", join="override")
    rows = [join([opened[f"{column}{row}"] for column in range(3)], dim="x") for row in range(2)]
    tiled = join(rows, dim="y")
    comparison = vt.compare(tiled, paths)
    assert comparison.verdict == "PASS", str(comparison)
    wrong = join([rows[1], rows[0]], dim="y")
    assert vt.compare(wrong.assign_coords(y=tiled["y"]), paths).verdict == "FAIL"


def test_files_stacked_along_a_new_dimension_are_in_the_order_given(tmp_path: Path) -> None:
    paths = [write_daily_file(tmp_path / f"m{member}.nc", n_times=2) for member in range(2)]
    with h5py.File(paths[1], "a") as file:
        file["sst"][:, 1:] += 5
    parts = passed_off_as_alike([open_virtual_dataset(path) for path in paths])
    stacked = xr.concat(
        parts, dim="member", data_vars=["sst"], coords="minimal", compat="override", join="override"
    )
    right = vt.compare(stacked, paths, levels=["L2", "L3", "L4"])
    assert right.verdict == "PASS", str(right)
    assert vt.compare(stacked, paths[::-1], levels=["L4"]).verdict == "FAIL"


def test_a_static_variable_is_held_against_every_file(tmp_path: Path, files: list[Path]) -> None:
    shifted = shutil.copy(files[1], tmp_path / "shifted.nc")
    with h5py.File(shifted, "a") as file:
        file["lat"][...] += 0.5
    comparison = vt.compare(join_in_order([files[0], Path(shifted)]), [files[0], shifted])
    found = [f for f in comparison.findings if f.variable == "lat"]
    assert found
    assert all(f.file.endswith("shifted.nc") for f in found)


def test_groups_are_compared_by_their_paths(tmp_path: Path) -> None:
    path = tmp_path / "groups.nc"
    for group, start in (("a", 0), ("b/c", 100)):
        xr.Dataset({"v": ("x", start + np.arange(6))}, attrs={"group": group}).to_netcdf(
            path, group=group, mode="a", engine="h5netcdf"
        )
    comparison = vt.compare(path)
    assert comparison.verdict == "PASS", str(comparison)
    assert comparison.n_variables == 2
    group = open_group(path)
    crossed = vt.faults.spread_attribute(group, name="only_here", value="x")
    assert vt.compare(crossed, path).verdict == "FAIL"


# -- what differs -----------------------------------------------------------------------------------------------------


def test_a_finding_says_where_what_and_why(files: list[Path], tmp_path: Path) -> None:
    odd = write_daily_files(tmp_path, n_days=2, odd_days={1: {"scale_factor": 0.02}})
    comparison = vt.compare(join_in_order(odd), odd)
    finding = next(f for f in comparison.findings if f.level == "L5")
    assert finding.file.endswith("sst_20240102.nc")
    assert (finding.variable, finding.index, finding.chunk) == ("sst", (4, 0, 1), (4, 0, 0))
    stored = h5py.File(odd[1])["sst"][0, 0, 1]
    assert float(finding.virtual_value) == stored * 0.01 + 273.15
    assert float(finding.native_value) == stored * 0.02 + 273.15
    assert "scale_factor is 0.02 in the file and 0.01 in the virtual dataset" in finding.cause


def test_snippets_of_findings_run_and_show_the_difference(
    files: list[Path], cube: xr.Dataset, tmp_path: Path
) -> None:
    comparison = vt.compare(vt.faults.flipped_bit(cube, "sst", tmp_path, chunk=(4, 0, 0)), files, exact=True)
    virtual = vt.faults.swapped_chunks(cube, "sst")
    shown = [f for f in (*comparison.findings, *vt.compare(virtual, files).findings) if f.snippet]
    assert {f.level for f in shown} == {"L3", "L4", "L5"}
    for finding in shown:
        assert len(finding.snippet.splitlines()) == 5
        if "unreadable" not in finding.message:
            exec(finding.snippet, {"virtual": virtual})


def test_a_variable_that_one_side_lacks_is_found_unless_it_is_meant(files: list[Path]) -> None:
    lacking = open_virtual_dataset(files[0], drop_variables=["sst"])
    assert "missing" in vt.compare(lacking, files[0]).findings[0].message
    assert vt.compare(lacking, files[0], drop_variables=["sst"]).verdict == "PASS"
    extra = open_virtual_dataset(files[0]).assign(more=("time", np.zeros(4)))
    assert "extra" in vt.compare(extra, files[0]).findings[0].message


def test_attributes_that_vary_may_be_dropped_and_may_not_be_claimed(tmp_path: Path) -> None:
    files = write_daily_files(
        tmp_path, n_days=2, odd_days={d: {"global_attributes": {"id": f"{d}"}} for d in (0, 1)}
    )
    claimed = join_in_order(files)
    comparison = vt.compare(claimed, files)
    assert "the whole dataset claims" in causes(comparison)
    dropped = vt.compare(claimed.drop_attrs(deep=False), files)
    assert dropped.verdict == "PASS"
    assert any("'id'" in note for note in dropped.notes)


def test_a_source_that_changed_or_went_is_found_without_reading_it(files: list[Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(files[0], tmp_path / "copy.nc"))
    virtual = open_virtual_dataset(path)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    stale = vt.compare(virtual, files[0], levels=["L2"])
    assert "stale file" in causes(stale)
    path.unlink()
    assert "moved or deleted" in causes(vt.compare(virtual, files[0], levels=["L2"]))


def test_references_that_overlap_are_found(files: list[Path]) -> None:
    wrong = vt.faults.wrong_length(open_group(files[0]), "sst", chunk=(1, 0, 0), by=40)
    assert any("overlap" in f.message for f in vt.compare(wrong, files[0], levels=["L2"]).findings)


def test_nan_payloads_are_a_note_and_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "nan.h5"
    payload = np.array([0x7FC00001, 0x3F800000, 0x7FC00000, 0x40000000], "u4").view("f4")
    with h5py.File(path, "w") as file:
        file["x"] = payload
    virtual = open_virtual_dataset(path, loadable_variables=[])
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["x"] = np.array([np.nan, 1, np.nan, 2], "f4")
    comparison = vt.compare(virtual, tmp_path / "plain.h5", levels=["L4"])
    assert comparison.verdict == "PASS", str(comparison)
    assert any("payload" in note for note in comparison.notes)


# -- what is never passed ---------------------------------------------------------------------------------------------


def test_a_format_without_an_independent_reader_is_unverified_and_names_it(
    cube: xr.Dataset, tmp_path: Path
) -> None:
    other = tmp_path / "a.unknown"
    other.write_bytes(b"no format that anybody knows" + bytes(100))
    comparison = vt.compare(cube, other)
    assert comparison.verdict == "UNVERIFIED"
    assert "a.unknown" in comparison.gaps[0].reason


def test_a_native_file_that_is_broken_is_unverified(
    cube: xr.Dataset, files: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.nc"
    broken.write_bytes(files[0].read_bytes()[:600])
    assert vt.compare(cube, broken).verdict == "UNVERIFIED"


def test_a_chunk_that_exceeds_the_memory_allowed_is_unverified(files: list[Path]) -> None:
    comparison = vt.compare(open_group(files[0]), files[0], memory_limit=500)
    assert comparison.verdict == "UNVERIFIED"
    assert any("memory_limit" in gap.reason for gap in comparison.gaps)


def test_a_level_that_is_not_possible_is_a_gap_only_when_asked_for(files: list[Path]) -> None:
    with xr.open_dataset(
        open_manifest_store(files[0]), engine="zarr", consolidated=False, chunks={}
    ) as opened:
        assert vt.compare(opened, files[0]).verdict == "PASS"  # dask hides what is stored
        named = vt.compare(opened, files[0], levels=["L3", "L5"])
    assert named.verdict == "UNVERIFIED"
    assert [gap.level for gap in named.gaps] == ["L3"]


@pytest.mark.parametrize(
    "options",
    [{"levels": ["L9"]}, {"sample": "most"}, {"sample": 1.5}, {"confidence": 1.0}, {"memory_limit": "much"}],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], files: list[Path]) -> None:
    with pytest.raises(ValueError, match="expected"):
        vt.compare(files[0], **options)  # type: ignore[arg-type]


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_only_the_chosen_chunks_are_read(files: list[Path]) -> None:
    log = RequestLog()
    group = open_group(files[0])
    log.clear()
    comparison = vt.compare(
        group, files[0], levels=["L3", "L4", "L5"], sample=1, registry=StoreRegistry(log=log)
    )
    assert comparison.passed
    stratum = next(s for s in comparison.strata if s.variable == "sst")
    chosen = stratum.n_always + stratum.n_drawn
    assert chosen < stratum.n_chunks
    others = 2 + 2 + 5  # coordinates of one chunk; to decode times, xarray looks at the first and the last
    assert len(log.requests) <= 3 * chosen + others


def test_exact_looks_at_every_chunk_and_a_small_sample_says_what_it_cannot_see(files: list[Path]) -> None:
    exact = vt.compare(open_group(files[0]), files[0], exact=True)
    assert "every chunk was looked at" in exact.bound
    assert exact.blind_spot == ""
    sampled = vt.compare(open_group(files[0]), files[0], sample=1)
    assert "with 95% confidence" in sampled.bound
    assert "between those that were looked at" in sampled.blind_spot


_SPARSE = """
import sys
import vzlab.testing as vt
from vzlab.datasets import open_virtual_dataset
files = sys.argv[1:]
import xarray as xr
cube = xr.concat(
    [open_virtual_dataset(f) for f in files],
    dim="time", data_vars="minimal", coords="minimal", compat="override", join="override",
)
comparison = vt.compare(cube, files, sample=3, memory_limit="200MB")
if not comparison.passed: print(comparison)
# Not ru_maxrss: a child process begins with its parent's.
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(comparison.verdict, cube["v"].nbytes, int(peak_kb) * 1024)
"""


def test_a_hundred_gigabytes_are_compared_in_300_megabytes(tmp_path: Path) -> None:
    paths = []
    for day in range(2):
        path = tmp_path / f"{day}.nc"
        paths.append(str(path))
        with h5py.File(path, "w") as file:
            space = h5py.h5s.create_simple((6_400, 2_000, 1_000))
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((1, 1_000, 1_000))
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)  # the file stays sparse
            variable = h5py.Dataset(h5py.h5d.create(file.id, b"v", h5py.h5t.IEEE_F32LE, space, plist))
            for axis, (name, size) in enumerate({"time": 6_400, "y": 2_000, "x": 1_000}.items()):
                file[name] = np.arange(float(size)) + (6_400 * day if name == "time" else 0)
                file[name].make_scale(name)
                variable.dims[axis].attach_scale(file[name])
            variable[0, 0, :5] = day
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SPARSE, *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    verdict, nbytes, peak = done.stdout.split()
    assert (verdict, int(nbytes)) == ("PASS", 102_400_000_000)
    assert int(peak) < 300e6  # of which what is imported takes 150 MB


# -- the report -------------------------------------------------------------------------------------------------------


def test_assert_virtual_equal_raises_with_the_report(cube: xr.Dataset, files: list[Path]) -> None:
    assert vt.assert_virtual_equal(cube, files).passed
    with pytest.raises(VerificationError, match="likely cause: shifted") as caught:
        vt.assert_virtual_equal(vt.faults.shifted_append(cube, "sst"), files)
    assert caught.value.comparison.verdict == "FAIL"


def test_the_report_is_json_and_a_page_with_names_escaped(tmp_path: Path) -> None:
    path = tmp_path / "odd.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("<b>v", data=np.arange(6), chunks=(2,))
    comparison = vt.compare(vt.faults.swapped_chunks(open_group(path), "<b>v"), path)
    assert json.loads(json.dumps(comparison.to_dict(), allow_nan=False))["verdict"] == "FAIL"
    page = comparison.to_html(tmp_path / "receipt.html").read_text()
    assert "&lt;b&gt;v" in page
    assert "<b>v" not in page
    assert "FAIL" in page
    assert "<script" not in comparison._repr_html_()
    assert "<b>v" in str(comparison)


def test_the_report_is_junit_xml_in_which_what_was_not_compared_is_an_error(
    cube: xr.Dataset, files: list[Path], tmp_path: Path
) -> None:
    def parsed(comparison: vt.Comparison) -> tuple[Element, dict[str, str]]:
        root = defusedxml.ElementTree.parse(comparison.to_junit(tmp_path / "report.xml")).getroot()
        return root, {name: root.attrib[name] for name in ("tests", "failures", "errors", "skipped")}

    _, counts = parsed(vt.compare(cube, files))
    assert counts == {"tests": "6", "failures": "0", "errors": "0", "skipped": "0"}
    wrong = vt.compare(vt.faults.swapped_chunks(cube, "sst"), files)
    root, counts = parsed(wrong)
    assert counts["failures"] == str(len(wrong.findings)) == str(len(root.findall("testcase/failure")))
    assert "likely" not in (root.findtext("testcase/failure") or "likely")
    assert wrong.findings[0].cause in (root.findtext("testcase/failure") or "")
    path = tmp_path / "control.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a\x01<b>", data=np.arange(6), chunks=(2,))
    parsed(vt.compare(vt.faults.swapped_chunks(open_group(path), "a\x01<b>"), path))
    (tmp_path / "broken.nc").write_bytes(files[0].read_bytes()[:600])
    _, counts = parsed(vt.compare(cube, tmp_path / "broken.nc", levels=["L4"]))
    assert (counts["errors"], counts["skipped"]) == ("1", "0")


def test_attributes_are_told_over_the_files(tmp_path: Path) -> None:
    odd = {d: {"global_attributes": {"id": f"{d}"}, "scale_factor": 0.01 + 0.01 * (d == 2)} for d in range(3)}
    files = write_daily_files(tmp_path, n_days=3, odd_days=odd)
    facts = {(fact.variable, fact.name): fact for fact in vt.compare(join_in_order(files), files).attributes}
    of_file, packing = facts["", "id"], facts["sst", "scale_factor"]
    assert (of_file.kind, of_file.n_files, of_file.n_values, of_file.virtual_value) == (
        "varying",
        3,
        3,
        "'0'",
    )
    assert (packing.kind, packing.values) == ("conflicting", (("0.01", 2), ("0.02", 1)))
    assert facts["sst", "units"].kind == "constant"


def test_the_report_stays_small_however_much_differs(cube: xr.Dataset, files: list[Path]) -> None:
    comparison = vt.compare(vt.faults.shifted_append(cube, "sst"), files, exact=True)
    assert len(comparison._repr_html_()) < 100_000
    assert sum(f.n_alike for f in comparison.findings if f.level == "L4") > len(comparison.findings)


def test_progress_names_each_step(files: list[Path]) -> None:
    lines: list[str] = []
    vt.compare(open_group(files[0]), files[0], progress=lines.append)
    assert lines[0] == "Open the virtual side"
    assert "L3, L4, L5 sst" in lines
