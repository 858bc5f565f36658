"""Every file of the collection: each variable equals what the format's own reader gives, or is refused with a reason.

Set VZLAB_REGENERATE=1 to write the pages under ``docs/corpus`` anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.corpus import CorpusEntry, corpus_file, corpus_params
from tests.corpus_outcomes import FAMILIES, outcomes, page, readable_entries
from vzlab.datasets import open_group
from vzlab.errors import VzlabError

FORMATS = [format_ for formats in FAMILIES.values() for format_ in formats]
PAGES = Path(__file__).parents[1] / "docs" / "corpus"

pytestmark = pytest.mark.corpus


@pytest.mark.parametrize(
    "entry", [p for p in corpus_params(FORMATS) if p.values[0] is None or p.values[0].expect == "native_ok"]
)
def test_every_variable_is_equal_or_refused_with_a_reason(entry: CorpusEntry) -> None:
    for outcome in outcomes(entry):
        assert outcome.state in ("equal", "loaded", "refused"), outcome
        assert outcome.state == "equal" or outcome.reason.endswith("."), outcome


@pytest.mark.parametrize(
    "entry",
    [p for p in corpus_params(FORMATS) if p.values[0] is None or p.values[0].expect == "native_error"],
)
def test_what_the_native_reader_cannot_open_is_refused_with_its_url(entry: CorpusEntry) -> None:
    with pytest.raises(VzlabError, match=entry.location.name):
        open_group(entry.location)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_page_of_what_is_refused_is_up_to_date(family: str) -> None:
    corpus_file("INDEX.csv")
    told = [outcome for entry in readable_entries(FAMILIES[family]) for outcome in outcomes(entry)]
    text = page(family, told)
    where = PAGES / f"{family}.md"
    if os.environ.get("VZLAB_REGENERATE"):
        where.write_text(text, encoding="utf-8")
    assert where.read_text(encoding="utf-8") == text, (
        "Run this test with VZLAB_REGENERATE=1 and look at what changed"
    )
