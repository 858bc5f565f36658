"""No false alarm: every real HDF5 and netCDF4 file equals what independent readers give of it."""

from __future__ import annotations

import warnings

import pytest

import vzlab.testing as vt
from tests.corpus import CorpusEntry, corpus_params
from vzlab.datasets import open_group
from vzlab.errors import VzlabError


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params(["hdf5", "netcdf4", "nwb"]))
def test_no_real_file_differs_from_itself(entry: CorpusEntry) -> None:
    if entry.expect != "native_ok" or entry.kind != "file":
        pytest.skip("the native reader refuses it too")
    try:
        group = open_group(entry.location)
    except VzlabError as error:
        pytest.skip(f"the parser refuses it: {error}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        comparison = vt.compare(group, entry.location)
    assert not comparison.findings, str(comparison)
    if comparison.verdict == "UNVERIFIED":
        assert all(gap.reason for gap in comparison.gaps)
