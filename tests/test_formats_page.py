"""The support matrix in the docs says what is so. Set VZLAB_REGENERATE=1 to write it anew."""

from __future__ import annotations

import os

from tests.formats_page import DAMAGES, DOCS, IN_COLLECTION, collection_counts, page
from tests.parsers import test_bad_input
from tests.parsers.one_of_each import WRITERS


def test_the_support_matrix_is_up_to_date() -> None:
    where = DOCS / "formats.md"
    text = page()
    if os.environ.get("VZLAB_REGENERATE"):
        where.write_text(text, encoding="utf-8")
    assert where.read_text(encoding="utf-8") == text, (
        "Run this test with VZLAB_REGENERATE=1 and look at what changed"
    )


def test_nothing_of_the_collection_is_wrong_absent_or_left_out() -> None:
    counts = collection_counts()
    assert set(counts) == {name for names in IN_COLLECTION.values() for name in names}
    assert all(wrong == absent == 0 for *_, wrong, absent, _ in counts.values())


def test_the_number_of_damages_is_that_of_the_long_form() -> None:
    [mark] = [mark for mark in test_bad_input.test_many_damages.pytestmark if mark.name == "parametrize"]
    assert len(mark.args[1]) == len(WRITERS) - 2
    assert test_bad_input.N_DAMAGES == DAMAGES
