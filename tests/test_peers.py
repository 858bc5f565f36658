"""Stores that others make: their mistakes are found by name, and the page of them is what comparing finds."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.corpus import corpus_file
from tests.peers import PEERS, judged, page, title

PAGE = Path(__file__).parents[1] / "docs" / "peers.md"

pytestmark = pytest.mark.corpus


@pytest.fixture(autouse=True)
def _peers_are_installed() -> None:
    for peer in PEERS:
        pytest.importorskip(peer.lower(), reason=f"{peer} is in the group bench")


@pytest.mark.parametrize(
    ("peer", "path", "verdict", "kind"),
    [
        ("VirtualiZarr", "netcdf4/SciTools__iris-test-data/21_triangle_example.nc", "PASS", ""),
        (
            "VirtualiZarr",
            "hdf5/Apollo3zehn__PureHDF/sine_compact.mat",
            "FAIL",
            "L4 values - missing read as fill",
        ),
        ("kerchunk", "hdf5/NCAS-CMS__pyfive/btreev2.hdf5", "FAIL", "L5 values - lost mask"),
    ],
)
def test_what_others_lose_is_found_by_name(peer: str, path: str, verdict: str, kind: str) -> None:
    found, kinds = judged(peer, corpus_file(path), path.partition("/")[0])
    assert found == verdict
    assert kind in (kinds or ("",))


@pytest.mark.slow
@pytest.mark.timeout(2_400)
def test_the_page_of_peers_is_up_to_date() -> None:
    corpus_file("INDEX.csv")
    is_renewed = bool(os.environ.get("VZLAB_REGENERATE"))
    if not is_renewed and title() not in PAGE.read_text(encoding="utf-8"):
        pytest.skip(f"the page tells of other versions than {', '.join(f'{p} {version(p)}' for p in PEERS)}")
    text = page()
    if is_renewed:
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "Run with VZLAB_REGENERATE=1 and look at what changed"
