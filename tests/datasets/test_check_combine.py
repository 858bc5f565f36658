"""What differs between files is found, named and judged before anything is combined."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from tests.datasets.archives_that_differ import archive_with, native
from vzlab.datasets import CompatibilityReport, combine_virtual
from vzlab.errors import IncompatibleFilesError, SourceNotFoundError


def severities(report: CompatibilityReport, variable: str = "sst") -> dict[str, str]:
    return {finding.facet: finding.severity for finding in report.findings if finding.variable == variable}


def test_equal_files_have_no_findings(tmp_path: Path) -> None:
    report = vz.check_combine(write_daily_files(tmp_path, n_days=3))
    assert report.compatible
    assert report.findings == ()
    assert report.concat_dim == "time"
    assert report.headline == "3 files along time: compatible"


@pytest.mark.parametrize(
    ("changes", "facet", "severity"),
    [
        ({"scale_factor": 0.1}, "packing, fill", "silently wrong elsewhere"),
        ({"add_offset": 0.0}, "packing, fill", "silently wrong elsewhere"),
        ({"scale_factor": None, "add_offset": None}, "packing, fill", "silently wrong elsewhere"),
        ({"attributes": {"missing_value": np.int16(-5)}}, "packing, fill", "silently wrong elsewhere"),
        ({"attributes": {"_Unsigned": "true"}}, "packing, fill", "silently wrong elsewhere"),
        (
            {"attributes": {"valid_range": np.array([0, 9], "i2")}},
            "packing, fill",
            "silently wrong elsewhere",
        ),
        ({"compression_level": None}, "codecs", "needs re-encoding"),
        ({"units": "degree_C"}, "units", "silently wrong elsewhere"),
        ({"dtype": "<i4"}, "shape, dtype", "needs re-encoding"),
        ({"n_lat": 12}, "shape, dtype", "refused"),
        ({"chunks": (1, 10, 10)}, "chunks", "needs re-encoding"),
        ({"chunks": (2, 5, 10)}, "chunks", "needs a rectilinear grid"),
        ({"compression_level": 6}, "codecs", "harmless"),
        ({"shuffle": False}, "codecs", "needs re-encoding"),
        ({"dtype": ">i2"}, "codecs", "needs re-encoding"),
        ({"attributes": {"comment": "only here"}}, "attributes", "harmless"),
    ],
)
def test_one_odd_file_is_found(tmp_path: Path, changes: dict, facet: str, severity: str) -> None:
    report = vz.check_combine(archive_with(tmp_path, **changes))
    assert severities(report)[facet] == severity
    finding = report.cell("sst", facet)
    assert finding is not None
    if severity not in {"harmless", "needs a rectilinear grid"}:
        assert not report.compatible
        assert finding.holders[-1].files == (1,)
        assert report.files[1] in finding.sentence


def test_the_odd_scale_is_told_with_a_number(tmp_path: Path) -> None:
    report = vz.check_combine(archive_with(tmp_path, scale_factor=0.1, add_offset=None))
    (finding,) = report.problems
    assert "A stored 273 there means 27.3 K and would read 275.88" in finding.sentence


def with_attributes(folder: Path, *attributes: dict[str, Any]) -> list[Path]:
    """A file for each set of attributes of sst."""
    files = write_daily_files(folder, n_days=len(attributes))
    for file, changes in zip(files, attributes, strict=True):
        with h5py.File(file, "r+") as opened:
            opened["sst"].attrs.update(changes)
    return files


def test_scales_that_hardly_differ_are_told_in_all_their_digits(tmp_path: Path) -> None:
    files = with_attributes(tmp_path, {"scale_factor": np.float64(0.01)}, {"scale_factor": np.float32(0.01)})
    (finding,) = vz.check_combine(files).problems
    assert "A stored 273 there means 275.87999993" in finding.sentence
    assert "would read 275.88, " in finding.sentence


def test_lists_that_differ_are_told_whole(tmp_path: Path) -> None:
    ranges = ({"valid_range": np.array([0, limit], "i2")} for limit in (10, 20))
    (finding,) = vz.check_combine(with_attributes(tmp_path, *ranges)).problems
    assert "is stored with valid_range [0, 20]; the other 1 with valid_range [0, 10]." in finding.sentence


def test_a_number_is_the_same_as_an_integer_and_as_a_float(tmp_path: Path) -> None:
    types = ("i4", "f8")
    files = with_attributes(
        tmp_path, *({"add_offset": np.array(273, t)[()], "valid_range": np.array([0, 9], t)} for t in types)
    )
    assert vz.check_combine(files).compatible
    assert "time" in vz.open_virtual_mfdataset(files, progress=False).sst.dims


def test_text_is_not_the_number_that_it_spells(tmp_path: Path) -> None:
    files = with_attributes(tmp_path, {"missing_value": "-98"}, {"missing_value": np.int16(-98)})
    (finding,) = vz.check_combine(files).problems
    assert 'missing_value "-98"' in finding.sentence


def test_a_lost_fill_value_is_told_with_the_number_it_would_become(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    write_daily_file(files[2], DailyFile(first_day=2), fill_value=-999)
    finding = vz.check_combine(files).cell("sst", "packing, fill")
    assert finding is not None
    assert "-999, would read as a measured 263.16 K" in finding.sentence


def test_a_shifted_grid_is_refused_with_its_distance(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    with h5py.File(files[1], "r+") as file:
        file["lat"][...] += 0.5
    report = vz.check_combine(files)
    assert severities(report, "lat") == {"coordinates": "refused"}
    assert "by up to 0.5" in report.problems[0].sentence


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    first, second = write_daily_files(tmp_path, n_days=2)
    report = vz.check_combine([first, second, first])
    assert {(f.kind, f.severity) for f in report.problems} == {("same file", "refused")}
    assert "sst_20240101.nc is there 2 times" in str(report)


def test_overlapping_times_are_refused(tmp_path: Path) -> None:
    files = [
        write_daily_file(tmp_path / "a.nc", DailyFile(first_day=0, n_times=4)),
        write_daily_file(tmp_path / "b.nc", DailyFile(first_day=0, n_times=3)),
    ]
    assert not vz.check_combine(files, concat_dim="time").compatible


def test_files_in_any_order_are_put_in_order(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=4)
    report = vz.check_combine(files[::-1])
    assert report.order == (3, 2, 1, 0)
    assert report.compatible
    assert "order" in report.findings[0].sentence


def test_a_gap_is_told_and_allowed(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=6)
    report = vz.check_combine([*files[:3], *files[4:]])
    assert report.compatible
    assert "1 gap" in report.findings[0].sentence


def test_a_variable_missing_from_some_files_is_refused(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    write_daily_file(files[2], DailyFile(first_day=2, name="temperature"))
    report = vz.check_combine(files)
    # The third day would be another variable of the same cube, with no values on the first two days.
    assert [(finding.variable, finding.severity) for finding in report.problems] == [("time", "refused")]
    assert "hold different variables" in report.problems[0].sentence


@pytest.mark.parametrize("calendars", [("noleap", "standard"), ("noleap", "360_day")])
def test_loaded_times_of_several_calendars_are_refused(calendars: tuple[str, str], tmp_path: Path) -> None:
    odd, usual = calendars
    files = write_daily_files(tmp_path, n_days=3, calendar=usual)
    write_daily_file(files[1], DailyFile(first_day=1, calendar=odd))
    (problem,) = vz.check_combine(files).problems
    assert problem.sentence.startswith(
        f"time of sst_20240102.nc counts dates of the calendar {odd}, and of the others"
    )
    with pytest.raises(IncompatibleFilesError, match=f"dates of the calendar {odd}"):
        vz.open_virtual_mfdataset(files, on_mismatch="reencode")


def test_times_in_several_units_are_decoded_first(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    write_daily_file(files[1], DailyFile(first_day=0, time_units="hours since 2024-01-02 00:00:00"))
    report = vz.check_combine(files)
    assert report.compatible
    cube = vz.open_virtual_mfdataset(files)
    assert (np.diff(cube.time.values) == np.timedelta64(6, "h")).all()


def test_virtual_times_in_several_units_are_refused(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    write_daily_file(files[1], DailyFile(first_day=0, time_units="hours since 2024-01-02 00:00:00"))
    report = vz.check_combine(files, concat_dim="time", loadable_variables=[])
    assert severities(report, "time")["units"] == "silently wrong elsewhere"


def test_the_report_says_itself_as_text_json_and_html(tmp_path: Path) -> None:
    report = vz.check_combine(archive_with(tmp_path, scale_factor=0.1, attributes={"comment": "<b>bold</b>"}))
    document = json.loads(json.dumps(report.to_dict()))
    assert document["compatible"] is False
    assert str(report).startswith("4 files along time: 1 problem")
    html = report._repr_html_()
    assert "silently wrong elsewhere" in html
    assert "<b>bold" not in html


def test_what_is_refused_by_the_check_is_refused_by_combining(tmp_path: Path) -> None:
    with pytest.raises(IncompatibleFilesError, match=r"scale_factor 0\.1") as caught:
        vz.open_virtual_mfdataset(archive_with(tmp_path, scale_factor=0.1))
    assert caught.value.report.problems


def test_combining_equals_xarrays_own(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=5)
    cube = vz.open_virtual_mfdataset(files[::-1])
    group = vz.datasets.dataset_to_group(cube)
    mine = xr.decode_cf(xr.open_zarr(vz.ManifestStore(group), decode_cf=False))
    with xr.open_mfdataset(files, engine="h5netcdf") as native:
        np.testing.assert_array_equal(mine.sst.values, native.sst.values)
        xr.testing.assert_identical(cube.time.drop_attrs(), native.time.load().drop_attrs())


def test_values_loaded_from_several_packings_are_not_packed_again(tmp_path: Path) -> None:
    files = archive_with(tmp_path, scale_factor=0.001, n_days=2, odd=1)
    cube = vz.open_virtual_mfdataset(files, loadable_variables=["time", "lat", "lon", "sst"])
    assert "scale_factor" not in cube.sst.encoding
    with xr.open_mfdataset(files, engine="h5netcdf") as native:
        np.testing.assert_array_equal(cube.sst.values, native.sst.values)


def test_attributes_true_of_one_file_only_are_dropped(tmp_path: Path) -> None:
    files = [
        write_daily_file(
            tmp_path / f"{day}.nc",
            DailyFile(first_day=day, global_attributes={"title": "Daily", "granule_id": f"G{day}"}),
        )
        for day in range(3)
    ]
    assert vz.open_virtual_mfdataset(files).attrs == {"title": "Daily"}


def test_nothing_to_combine_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="No files match"):
        vz.check_combine(str(tmp_path / "*.nc"))


def test_coordinates_that_were_not_loaded_are_named(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    (problem,) = vz.check_combine(files, loadable_variables=["lat"]).problems
    assert problem.sentence.startswith(
        "time and lon are not loaded, so that nothing tells how the files follow"
    )
    assert problem.fix.endswith("loadable_variables=['lat', 'time', 'lon'])")
    cube = vz.open_virtual_mfdataset(files, loadable_variables=["lat", "time", "lon"])
    assert cube.sizes["time"] == 12


def test_datasets_that_are_open_are_combined(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    cube = combine_virtual([vz.open_virtual_dataset(file) for file in files])
    assert cube.sizes["time"] == 12


def test_who_has_what_is_told_in_runs(tmp_path: Path) -> None:
    files = write_daily_files(
        tmp_path, n_days=7, odd_days={day: {"scale_factor": 0.1} for day in (2, 3, 4, 6)}
    )
    (finding,) = vz.check_combine(files).problems
    usual, odd = finding.holders
    assert (usual.runs, odd.runs) == (((2, 4), (6, 6)), ((0, 1), (5, 5)))
    assert (usual.where, usual.n_files, usual.files) == ("2-4, 6", 4, (2, 3, 4, 6))
    assert vz.check_combine(files).to_dict()["findings"][0]["holders"][0]["files"] == [[2, 4], [6, 6]]


def test_where_files_agree_they_merge(tmp_path: Path) -> None:
    report = vz.check_combine(archive_with(tmp_path, scale_factor=0.1))
    assert report.severity("sst", "packing, fill") == "silently wrong elsewhere"
    assert report.severity("sst", "codecs") == "merges"


def test_every_fix_is_python(tmp_path: Path) -> None:
    files = archive_with(tmp_path, scale_factor=0.1, chunks=(1, 10, 10), units="C", dtype="<i4")
    problems = vz.check_combine(files).problems
    assert {f.kind for f in problems} == {"packing", "encoding", "units", "shape"}
    for finding in problems:
        compile(finding.fix, "fix", "exec")


def test_attributes_are_constant_varying_or_conflicting(tmp_path: Path) -> None:
    files = [
        write_daily_file(
            tmp_path / f"{day}.nc",
            DailyFile(
                first_day=day,
                global_attributes={"title": "Daily", "id": f"G{day}", "version": "1" if day < 3 else "2"},
            ),
        )
        for day in range(5)
    ]
    report = vz.check_combine(files)
    varying, conflicting = (
        next(f for f in report.findings if word in f.sentence) for word in ("varying", "conflicting")
    )
    assert "id" in varying.sentence
    assert "version" in conflicting.sentence
    assert [h.runs for h in conflicting.holders] == [((0, 2),), ((3, 4),)]
    assert "title" not in str(report)
    assert vz.open_virtual_mfdataset(files).attrs == {"title": "Daily"}
    assert vz.open_virtual_mfdataset(files, attrs="first").attrs == {
        "title": "Daily",
        "id": "G0",
        "version": "1",
    }
    kept = vz.open_virtual_mfdataset(files[::-1], attrs="keep_varying").attrs["varying_attributes"]
    assert list(kept["id"].items()) == [(f"{day}.nc", f"G{day}") for day in range(5)]
    by_xarray = vz.open_virtual_mfdataset(files, combine_attrs="override")
    assert by_xarray.attrs["id"] == "G0"
    assert by_xarray.sst.attrs["scale_factor"] == 0.01


def test_files_out_of_order_are_told_apart_from_files_that_overlap(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    nested = {"combine": "nested", "concat_dim": "time"}
    assert [f.kind for f in vz.check_combine(files[::-1], **nested).problems] == ["disorder"]
    longer = write_daily_file(tmp_path / "longer.nc", DailyFile(first_day=1, n_times=4))
    with h5py.File(longer, "r+") as file:
        file["time"][...] = np.array([15.0, 27.0, 33.0, 39.0])
    kinds = [f.kind for f in vz.check_combine([files[0], longer, files[2]]).problems]
    assert kinds == ["overlap"]


@pytest.mark.parametrize("kind", ["disorder", "duplicates", "overlap", "same file"])
def test_disorder_can_be_allowed_by_name(tmp_path: Path, kind: str) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    if kind == "disorder":
        chosen = files[::-1]
    elif kind == "same file":
        chosen = [*files, files[0]]
    else:
        hours = [0.0, 6.0, 12.0, 18.0] if kind == "duplicates" else [3.0, 9.0, 15.0, 27.0]
        with h5py.File(files[1], "r+") as file:
            file["time"][...] = np.array(hours)
        chosen = files
    options = {"combine": "nested", "concat_dim": "time"}
    with pytest.raises(IncompatibleFilesError) as caught:
        vz.open_virtual_mfdataset(chosen, **options)
    assert kind in {f.kind for f in caught.value.report.problems}
    allow = [kind, "overlap"]
    assert vz.open_virtual_mfdataset(chosen, allow=allow, **options).sizes["time"] == 4 * len(chosen)


def test_only_known_names_can_be_allowed(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    with pytest.raises(ValueError, match="allow names 'everything'; what can be allowed is 'absent'"):
        vz.open_virtual_mfdataset(files, allow="everything")


def test_loaded_values_of_several_units_are_refused(tmp_path: Path) -> None:
    files = archive_with(tmp_path, units="degree_C")
    report = vz.check_combine(files, loadable_variables=["time", "lat", "lon", "sst"])
    assert report.severity("sst", "units") == "silently wrong elsewhere"


def test_what_is_equal_takes_no_room(tmp_path: Path) -> None:
    one = vz.open_virtual_dataset(write_daily_files(tmp_path, n_days=1)[0])

    def retained(n_files: int) -> int:
        datasets = [one.assign_coords(time=one.time + np.timedelta64(i, "D")) for i in range(n_files)]
        names = [str(i) for i in range(n_files)]
        check_opened = vz.check_combine(datasets, names=names)
        return sum(len(holders.runs) for finding in check_opened.findings for holders in finding.holders)

    assert retained(8) == retained(64) == 1


def test_descending_coordinates_stay_descending(tmp_path: Path) -> None:
    files = write_daily_files(tmp_path, n_days=3)
    for day, path in enumerate(files):
        with h5py.File(path, "r+") as file:
            file["time"][...] = DailyFile(first_day=day).time_values()[::-1]
    cube = vz.open_virtual_mfdataset(files)
    assert cube.indexes["time"].is_monotonic_decreasing
    np.testing.assert_array_equal(cube.time, native(files).time)
