"""The strategies give what they say, and over what they draw the comparer neither misses a fault nor invents one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vzlab.testing as vt
from tests.archives import write_daily_file
from tests.manifests.virtual_arrays import assert_same
from vzlab.datasets import open_group
from vzlab.manifests import ChunkManifest
from vzlab.storage import read_array
from vzlab.testing.strategies import VirtualExample, faulty_files, hdf5_files, manifests, virtual_datasets

_OF_TMP_PATH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(manifests())
@settings(max_examples=20, deadline=None)
def test_manifests_are_sound(manifest: ChunkManifest) -> None:
    assert manifest.n_virtual + manifest.n_missing + len(manifest.inline) == manifest.n_chunks


@given(virtual_datasets())
@settings(max_examples=20, deadline=None)
def test_virtual_datasets_read_as_the_values_beside_them(example: VirtualExample) -> None:
    for name, values in example.values.items():
        assert_same(read_array(example.dataset[name].variable._data, example.registry), values)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(data=st.data())
@settings(max_examples=500, deadline=None, suppress_health_check=_OF_TMP_PATH)
def test_no_false_alarm_over_files_of_any_kind(data: st.DataObject, tmp_path: Path) -> None:
    file = data.draw(hdf5_files(tmp_path))
    comparison = vt.compare(open_group(file), file, exact=True)
    assert comparison.verdict == "PASS", str(comparison)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=_OF_TMP_PATH)
def test_every_fault_of_one_file_is_found(data: st.DataObject, tmp_path: Path) -> None:
    file = tmp_path / "day.nc"
    if not file.exists():
        write_daily_file(file)
    example = data.draw(faulty_files(tmp_path, file, "sst"))
    comparison = vt.compare(example.group, example.file, exact=True)
    assert {finding.level for finding in comparison.findings} == example.fault.caught_by, str(comparison)


def test_encodings_are_what_zarr_decodes() -> None:
    values = np.arange(12, dtype="<i4").reshape(3, 4)
    for encoding in vt.strategies.ENCODINGS:
        source = vt.strategies.Bytes()
        array = vt.strategies.virtual_array(values.copy(), (2, 4), source=source, encoding=encoding)
        assert_same(read_array(array, source.readable()), values)
