"""Thousands of files on a cluster, and the model of what more of them would take."""

from pathlib import Path

import numpy as np
import pytest

import vzlab as vz
from benchmarks.many_files import Measured, fit, make_files, report
from tests.datasets.archives_that_differ import read_virtual


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_thousand_files_on_two_workers(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    paths = make_files(tmp_path, 2000)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster),
    ):
        cube = vz.open_virtual_mfdataset(paths[::-1], parallel="dask")
    assert dict(cube.sizes) == {"time": 2000, "lat": 36, "lon": 72}
    assert cube.vzlab.n_refs == 120_000
    np.testing.assert_array_equal(np.diff(cube.time), np.timedelta64(1, "D"))
    part = read_virtual(cube.isel(time=slice(1990, 2000))[["v3"]])
    np.testing.assert_array_equal(part.v3[:, 7, 7], np.arange(1990, 2000) % 99)


def test_the_model_is_a_line_through_what_was_measured() -> None:
    runs = [
        Measured(
            n_files=n,
            n_references=60 * n,
            opening_s=2.0 + 0.01 * n,
            client_bytes=1e8 + 5_000 * n + 2 * 20 * 60 * n,
            writing_s=1.0 + 3e-6 * 60 * n,
        )
        for n in (100, 200, 400)
    ]
    model = fit(runs)
    assert (model.fixed_s, model.per_file_s) == (pytest.approx(2.0), pytest.approx(0.01))
    assert (model.per_file_bytes, model.per_reference_s) == (pytest.approx(5_000), pytest.approx(3e-6))
    assert model.say(100_000, 10**8, 64) == (
        "100,000 files, 100,000,000 references, 64 workers: 0.6 min to open, 4.5 GB of the client's memory, 5.0 min to write in "
        "10 commits"
    )


def test_the_report_has_a_row_for_each_run_and_what_follows_from_them() -> None:
    runs = [
        Measured(
            n_files=n,
            n_references=60 * n,
            opening_s=1 + n / 100,
            client_bytes=1e8 + 9e3 * n,
            writing_s=n / 1e3,
        )
        for n in (100, 200, 400)
    ]
    text = report(runs, "900 bytes travel for a file of 60 references, 9,000 unpacked")
    assert "| 400 | 24,000 | 5.0 s | 104 MB | 0.40 s |" in text
    assert "Fitted: 1.0 s and 10.0 ms a file on two workers" in text
    assert "- 100,000 files, 100,000,000 references, 64 workers: " in text
    assert "load average" in text
