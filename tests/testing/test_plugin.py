"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

COMPARING = """
    import vzlab.testing as vt
    from vzlab.datasets import open_group

    def test_equal(vzlab_archive):
        file = vzlab_archive.files[0]
        vt.assert_virtual_equal(open_group(file), file, sample=1)
"""
DIFFERING = """
    def test_differs(vzlab_archive):
        file = vzlab_archive.files[0]
        vt.assert_virtual_equal(vt.faults.lost_mask(open_group(file), "sst"), file, sample=1)
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


@pytest.mark.slow
def test_receipts_are_written_of_what_passes_and_of_what_fails(run: pytest.Pytester) -> None:
    run.makepyfile(test_archive=COMPARING + DIFFERING)
    result = run.runpytest_subprocess("--vzlab-report", "receipts", "-p", "no:xdist")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*2 comparisons (1 FAIL, 1 PASS): receipts in receipts*"])
    documents = {path.stem: json.loads(path.read_text()) for path in (run.path / "receipts").glob("*.json")}
    assert sorted(documents) == ["test_archive.py_test_differs", "test_archive.py_test_equal"]
    assert documents["test_archive.py_test_differs"]["verdict"] == "FAIL"
    assert documents["test_archive.py_test_differs"]["test"] == "test_archive.py::test_differs"
    pages = [path.read_text() for path in sorted((run.path / "receipts").glob("*.html"))]
    assert ["FAIL" in page for page in pages] == [True, False]


@pytest.mark.slow
def test_fixtures_give_archives_and_a_server(run: pytest.Pytester) -> None:
    run.makepyfile(
        test_fixtures="""
        import obstore

        def test_archive_of_its_own(vzlab_make_archive):
            assert len(vzlab_make_archive(n_files=2, odd=1, missing=1, shape=(4, 8), chunk_shape=(1, 2, 4)).files) == 2

        def test_server(vzlab_s3):
            bucket = vzlab_s3.bucket()
            bucket.put("x", b"data")
            vzlab_s3.clear_requests()
            assert bytes(obstore.get_range(bucket.store, "x", start=1, end=3)) == b"at"
            assert [request.byte_range for request in vzlab_s3.requests] == [(1, 3)]
        """
    )
    run.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=2)


def test_a_run_that_uses_nothing_of_it_imports_nothing_of_it(run: pytest.Pytester) -> None:
    run.makepyfile(
        test_other="""
        import sys

        def test_light():
            assert "pytest_vzlab" in sys.modules
            assert not {name for name in sys.modules if name.partition(".")[0] in {"vzlab", "xarray", "h5py", "moto"}}
        """
    )
    result = run.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:xdist")
    result.assert_outcomes(passed=1)
    assert "vzlab" not in result.stdout.str().partition("passed")[2]


@pytest.mark.slow
def test_the_page_for_data_producers_works_as_it_stands(run: pytest.Pytester) -> None:
    page = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    run.makepyfile(test_cube=program)
    result = run.runpytest_subprocess("--vzlab-report", "receipts", "-p", "no:xdist")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*2 comparisons (1 FAIL, 1 PASS): receipts in receipts*"])
