"""The page of stores that others make is what comparing them finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.corpus import corpus_file

PAGE = Path(__file__).parents[1] / "docs" / "peers.md"


@pytest.mark.corpus
@pytest.mark.timeout(1200)
def test_the_page_of_peers_is_up_to_date() -> None:
    pytest.importorskip("virtualizarr", reason="VirtualiZarr is in the group bench")
    corpus_file("INDEX.csv")
    from tests.peers import page

    text = page()
    if os.environ.get("VZLAB_REGENERATE"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "Run with VZLAB_REGENERATE=1 and look at what changed"
