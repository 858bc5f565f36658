"""Many files on many workers: the same result as in turn, failures told, faults that pass tried again, a clean end."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from tests.datasets.archives_that_differ import read_virtual
from vzlab.datasets import check_combine, combine, dataset_to_group, open_virtual_mfdatatree
from vzlab.datasets.packed import PackedDatasets, pack
from vzlab.datasets.parallel import is_passing, run_batches, try_again
from vzlab.errors import CorruptFileError, SkippedFilesWarning, SourceNotFoundError, UnreachableChunkError


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_daily_files(tmp_path, n_days=5)


class FunctionsLikeLithops:
    """Runs functions as ``lithops.FunctionExecutor`` does: data is a tuple of arguments, futures have a result."""

    def __init__(self) -> None:
        self.n_calls = 0

    def call_async(self, func: Callable, data: tuple) -> Future:
        self.n_calls += 1
        sent = pickle.loads(pickle.dumps((func, data)))
        future: Future = Future()
        future.set_result(pickle.loads(pickle.dumps(sent[0](*sent[1]))))
        return future


# -- the same wherever it runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["threads", "executor", "functions"])
def test_the_result_is_the_same_wherever_files_are_opened(files: list[Path], where: str) -> None:
    in_turn = vz.open_virtual_mfdataset(files)
    with ThreadPoolExecutor(2) as pool:
        parallel = {"executor": pool, "functions": FunctionsLikeLithops()}.get(where, where)
        cube = vz.open_virtual_mfdataset(files, parallel=parallel)
        report = check_combine(files, parallel=parallel)
    assert dataset_to_group(cube) == dataset_to_group(in_turn)
    xr.testing.assert_identical(cube.drop_vars("sst"), in_turn.drop_vars("sst"))
    assert report == check_combine(files)


@pytest.mark.slow
def test_processes_give_the_same(files: list[Path]) -> None:
    write_daily_file(files[1], DailyFile(first_day=1), scale_factor=0.1)
    assert check_combine(files, parallel="processes") == check_combine(files)


def test_trees_are_opened_in_parallel(files: list[Path]) -> None:
    tree = open_virtual_mfdatatree(files, parallel="threads")
    np.testing.assert_array_equal(
        read_virtual(tree.to_dataset()).sst, read_virtual(vz.open_virtual_mfdataset(files)).sst
    )


def test_what_is_no_executor_is_refused(files: list[Path]) -> None:
    with pytest.raises(ValueError, match="Found parallel='thread'"):
        vz.open_virtual_mfdataset(files, parallel="thread")
    with pytest.raises(TypeError, match="Found parallel=4"):
        vz.open_virtual_mfdataset(files, parallel=4)
    with pytest.raises(ValueError, match=r"make one first, client = distributed\.Client"):
        vz.open_virtual_mfdataset(files, parallel="dask")


# -- packed --------------------------------------------------------------------------------------------------------


def test_packing_loses_nothing(files: list[Path]) -> None:
    write_daily_file(files[2], DailyFile(first_day=2), chunks=(2, 5, 10), scale_factor=0.1)
    datasets = [vz.open_virtual_dataset(file) for file in files]
    packed = PackedDatasets(len(datasets))
    packed.add(pickle.loads(pickle.dumps(pack(datasets))), range(len(datasets)))
    for found, expected in zip(packed, datasets, strict=True):
        assert dataset_to_group(found) == dataset_to_group(expected)
        xr.testing.assert_identical(found.drop_vars("sst"), expected.drop_vars("sst"))
        assert {n: v.encoding for n, v in found.variables.items()} == {
            n: v.encoding for n, v in expected.variables.items()
        }


def test_what_files_share_travels_once(files: list[Path]) -> None:
    datasets = [vz.open_virtual_dataset(file) for file in files]
    one, all_of_them = (len(pickle.dumps(pack(some))) for some in (datasets[:1], datasets))
    n_references = datasets[0].sst.data.manifest.n_chunks
    assert (all_of_them - one) / (len(files) - 1) < 20 * n_references + 1_500
    assert all_of_them < 0.75 * len(pickle.dumps(datasets))


def test_joining_in_parts_is_joining_at_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write_daily_file(files[2], DailyFile(first_day=2), n_times=3, chunks=(3, 5, 10))
    options = {"attrs": "keep_varying", "on_mismatch": "reencode"}
    at_once = vz.open_virtual_mfdataset(files, **options)
    monkeypatch.setattr(combine, "FAN_IN", 2)
    in_parts = vz.open_virtual_mfdataset(files, **options)
    assert dataset_to_group(in_parts) == dataset_to_group(at_once)
    xr.testing.assert_identical(in_parts.drop_vars("sst"), at_once.drop_vars("sst"))


# -- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [None, "threads"])
def test_a_file_that_fails_is_told_and_the_others_go_on(files: list[Path], parallel: str | None) -> None:
    files[1].write_bytes(files[1].read_bytes()[:1000])
    with pytest.raises(CorruptFileError) as caught:
        vz.open_virtual_mfdataset(files, parallel=parallel)
    assert caught.value.__notes__ == [f"While opening {files[1].name}"]
    with pytest.warns(
        SkippedFilesWarning, match=rf"1 of 5 files .*left out:\n  {files[1].name}: CorruptFileError: "
    ):
        cube = vz.open_virtual_mfdataset(files, parallel=parallel, on_error="skip")
    assert cube.sizes["time"] == 16
    with pytest.warns(SkippedFilesWarning):
        report = check_combine(files, parallel=parallel, on_error="skip")
    (finding,) = report.problems
    assert finding.kind == "unreadable"
    assert finding.sentence.startswith(f"{files[1].name} could not be opened: CorruptFileError")
    assert len(report.files) == 4


def test_if_all_fail_the_first_ones_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"a\.nc"):
        vz.open_virtual_mfdataset([tmp_path / "a.nc", tmp_path / "b.nc"], on_error="skip")


def test_faults_that_pass_are_tried_again_and_others_not() -> None:
    waits: list[float] = []
    calls: list[int] = []

    def fails(error: Exception, times: int) -> Callable[[], str]:
        def act() -> str:
            calls.append(1)
            if len(calls) <= times:
                raise error
            return "opened"

        return act

    assert try_again(fails(ConnectionResetError("gone"), 2), 3, sleep=waits.append) == "opened"
    assert len(waits) == 2
    assert 0.5 <= waits[0] < 1.0 <= waits[1]
    calls.clear()
    with pytest.raises(CorruptFileError):
        try_again(fails(CorruptFileError("half a file"), 1), 3, sleep=waits.append)
    assert len(calls) == 1


def test_a_lost_connection_may_pass_and_an_absent_file_does_not(
    http_server: Callable, tmp_path: Path
) -> None:
    server = http_server(tmp_path)
    with pytest.raises(SourceNotFoundError) as absent:
        vz.open_virtual_dataset(server.url("absent.nc"))
    with pytest.raises(UnreachableChunkError) as refused:
        vz.open_virtual_dataset(
            "http://127.0.0.1:9/x.nc", storage_options={"retry_config": {"max_retries": 0}}
        )
    assert (is_passing(absent.value), is_passing(refused.value)) == (False, True)


# -- the end -------------------------------------------------------------------------------------------------------

SLOW = """
import sys, time
from multiprocessing import active_children
from pathlib import Path
import vzlab as vz

def slowly(dataset):
    Path(sys.argv[1]).touch()
    time.sleep(0.5)
    return dataset

if __name__ == "__main__":
    try:
        vz.open_virtual_mfdataset(sys.argv[3:] * 200, preprocess=slowly, parallel=sys.argv[2])
    except KeyboardInterrupt:
        print("interrupted", len(active_children()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["threads", "processes"])
def test_an_interrupt_ends_all_of_it(tmp_path: Path, parallel: str) -> None:
    files = write_daily_files(tmp_path, n_days=2)
    (tmp_path / "slow.py").write_text(SLOW)
    begun = tmp_path / "begun"
    command = [sys.executable, tmp_path / "slow.py", begun, parallel, *files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not begun.exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out == "interrupted 0\n"
    assert err == ""


def test_an_error_cancels_what_is_pending() -> None:
    class Late(Executor):
        """Runs the first call, and leaves the others pending."""

        def __init__(self) -> None:
            self.futures: list[Future] = []

        def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
            self.futures.append(Future())
            if len(self.futures) == 1:
                self.futures[0].set_result(fn(*args))
            return self.futures[-1]

    def fail(item: str) -> None:
        raise SourceNotFoundError(f"No file at {item}")

    pool = Late()
    with pytest.raises(SourceNotFoundError):
        list(run_batches(fail, list, ["a", "b", "c"], ["a", "b", "c"], parallel=pool))
    assert [future.cancelled() for future in pool.futures] == [False, True, True]


@pytest.mark.slow
def test_a_cluster_gives_the_same(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    files = write_daily_files(tmp_path, n_days=40)
    files[7].write_bytes(b"\\x89HDF\\r\\n\\x1a\\nnothing")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        for parallel in ("dask", client):
            with pytest.warns(SkippedFilesWarning, match=files[7].name):
                cube = vz.open_virtual_mfdataset(files, parallel=parallel, on_error="skip")
            with pytest.warns(SkippedFilesWarning):
                in_turn = vz.open_virtual_mfdataset(files, on_error="skip")
            assert dataset_to_group(cube) == dataset_to_group(in_turn)
        done = run_command("check", *files[:5], "--scheduler", cluster.scheduler_address)
        assert done.returncode == 0, done.stderr


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vzlab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
def test_commands_open_files_in_parallel_and_leave_out_what_fails(files: list[Path], tmp_path: Path) -> None:
    files[1].write_bytes(b"nothing")
    assert run_command("check", *files, "--parallel", "threads").returncode == 2
    done = run_command("check", *files, "--parallel", "threads", "--on-error", "skip")
    assert done.returncode == 1
    assert f"{files[1].name} could not be opened" in done.stdout
    done = run_command(
        "virtualize", *files, "--to", tmp_path / "cube.json", "--parallel", "threads", "--on-error", "skip"
    )
    assert done.returncode == 0, done.stderr
    assert "64 references" in done.stdout
    assert f"1 of 5 files could not be opened and is left out:\n  {files[1].name}" in done.stderr


@pytest.mark.slow
def test_commands_open_files_in_processes(files: list[Path]) -> None:
    done = run_command("check", *files, "--parallel", "processes")
    assert done.returncode == 0, done.stderr
    assert "compatible" in done.stdout
