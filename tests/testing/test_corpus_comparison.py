"""No false alarm: every real file equals what an independent reader gives of it, or says what could not be compared."""

from __future__ import annotations

import warnings

import pytest

import vzlab.testing as vt
from tests.corpus import CorpusEntry, corpus_entries, corpus_file, corpus_params
from tests.corpus_outcomes import FAMILIES
from vzlab.datasets import open_group
from vzlab.errors import VzlabError

pytestmark = pytest.mark.corpus

MAX_BYTES = 60_000_000
NOT_HERE = ("it cannot be reached", "it is not there")
"""References of the collection whose files are elsewhere: a true finding."""
TOO_LARGE = {"grib/NOAA-MDL__grib2io/2024101012_Milton_Adv22_e70_cum_dat.grb"}
"""47 million values a field: cfgrib takes minutes."""


def compared(entry: CorpusEntry) -> vt.Comparison:
    """The references that are made of a file, against the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vt.compare(open_group(entry.location), entry.location, sample=2, progress=False)


def findings(comparison: vt.Comparison) -> list[vt.Finding]:
    """What is wrong, other than that referenced files are not here."""
    return [
        finding for finding in comparison.findings if not any(text in finding.message for text in NOT_HERE)
    ]


@pytest.mark.parametrize("entry", corpus_params())
def test_no_real_file_differs_from_itself(entry: CorpusEntry) -> None:
    if entry.expect != "native_ok" or entry.length_bytes > MAX_BYTES or entry.path in TOO_LARGE:
        pytest.skip("the native reader refuses it too, or it takes minutes")
    try:
        comparison = compared(entry)
    except VzlabError as error:
        pytest.skip(f"the parser refuses it: {error}")
    assert not findings(comparison), str(comparison)
    if comparison.verdict == "UNVERIFIED":
        assert all(gap.reason for gap in comparison.gaps)


@pytest.mark.parametrize("format_", [name for names in FAMILIES.values() for name in names])
def test_some_file_of_each_format_passes(format_: str) -> None:
    corpus_file("INDEX.csv")
    if format_ == "kerchunk-parquet":
        pytest.skip("the files that the one set of the collection refers to are elsewhere")
    entries = [entry for entry in corpus_entries([format_]) if entry.expect == "native_ok"]
    for entry in sorted(entries, key=lambda entry: entry.length_bytes):
        try:
            if compared(entry).passed:
                return
        except VzlabError:
            continue
    pytest.fail(f"no file of {format_} passes")
