"""Stores that VirtualiZarr and kerchunk make of the collection's files, compared with them: differences counted and named."""

from __future__ import annotations

import multiprocessing
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vzlab.testing as vt
from tests.corpus import CorpusEntry, corpus_entries

FORMATS = ("hdf5", "netcdf4", "netcdf3")
MAX_S = 60
"""Seconds after which a peer is taken not to end; what ends takes a few, and the first file what is imported."""


def by_virtualizarr(path: Path, format_: str) -> Any:
    """VirtualiZarr's manifest store, which is a Zarr store."""
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr.parsers import HDFParser, NetCDF3Parser

    parser = NetCDF3Parser() if format_ == "netcdf3" else HDFParser()
    return parser(url=path.as_uri(), registry=ObjectStoreRegistry({"file://": LocalStore()}))


def by_kerchunk(path: Path, format_: str) -> Any:
    """Kerchunk's references as a dictionary."""
    from kerchunk.hdf import SingleHdf5ToZarr
    from kerchunk.netCDF3 import NetCDF3ToZarr

    return (
        NetCDF3ToZarr(str(path)).translate()
        if format_ == "netcdf3"
        else SingleHdf5ToZarr(str(path)).translate()
    )


PEERS: Mapping[str, Callable[[Path, str], Any]] = {"VirtualiZarr": by_virtualizarr, "kerchunk": by_kerchunk}


def outcomes(peer: str, format_: str) -> Iterator[tuple[CorpusEntry, str, tuple[str, ...]]]:
    """What becomes of each file of a format, in a process of its own: some never end."""
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(1)
    try:
        for entry in corpus_entries([format_]):
            if entry.expect != "native_ok":
                continue
            try:
                verdict, kinds = pool.apply_async(judged, (peer, entry.location, format_)).get(MAX_S)
            except multiprocessing.TimeoutError:
                pool.terminate()
                pool = context.Pool(1)
                verdict, kinds = "endless", ()
            yield entry, verdict, kinds
    finally:
        pool.terminate()


def judged(peer: str, path: Path, format_: str) -> tuple[str, tuple[str, ...]]:
    """What becomes of one file: refused, PASS, UNVERIFIED or FAIL, and the kinds of what differs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = PEERS[peer](path, format_)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its refusal
            return "refused", (type(error).__name__,)
        try:
            comparison = vt.compare(made, path, sample=2, progress=False)
        except Exception as error:  # noqa: BLE001 - a store that zarr does not open
            return "unusable", (f"unusable ({type(error).__name__})",)
    return comparison.verdict, tuple(sorted({_kind(finding) for finding in comparison.findings}))


def _kind(finding: vt.Finding) -> str:
    first = re.sub(r"'[^']*'", "...", finding.message.partition(":")[0])
    verb = finding.message.partition(": ")[2].split(" in ")[0] if first.startswith("attribute") else ""
    cause = finding.cause.partition(":")[0]
    return " ".join(filter(None, [finding.level, first, verb and f"({verb})", cause and f"- {cause}"]))


def title() -> str:
    """What the page says first: who was compared."""
    return f"{' and '.join(f'{peer} {version(peer)}' for peer in PEERS)}, with no options, made references to"


def page() -> str:
    """The page: counts by peer and format, then what differs, with the number of files and one of them."""
    lines = [
        "# Stores made by others, compared with the files",
        "",
        title(),
        "the same files of the collection, and `vzlab.compare` held them against h5py and netCDF4.",
        "Refusing a file is no mistake: it is said at once. FAIL means that something reads otherwise than natively, if only an",
        "attribute; levels L1, L4 and L5 are values. Unusable is what zarr does not open.",
        "Never ending is to take more than a minute for one small file.",
        "The collection seeks out what is rare. Made in November 2026; later versions may do better.",
        "",
        "| made by | format | files | PASS | UNVERIFIED | FAIL | unusable | refused | never ends |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    kinds: dict[str, dict[str, list[str]]] = {peer: defaultdict(list) for peer in PEERS}
    for peer in PEERS:
        for format_ in FORMATS:
            verdicts: Counter[str] = Counter()
            for entry, verdict, found in outcomes(peer, format_):
                verdicts[verdict] += 1
                if verdict in {"FAIL", "unusable"}:
                    for kind in found:
                        kinds[peer][kind].append(entry.path)
            counts = [
                verdicts[name] for name in ("PASS", "UNVERIFIED", "FAIL", "unusable", "refused", "endless")
            ]
            lines.append(f"| {peer} | {format_} | {verdicts.total()} | {' | '.join(map(str, counts))} |")
    for peer, found_kinds in kinds.items():
        lines += [
            "",
            f"## What differs in stores of {peer}",
            "",
            "| what | files | for example |",
            "| --- | ---: | --- |",
        ]
        ranked = sorted(found_kinds.items(), key=lambda item: (-len(item[1]), item[0]))
        lines += [f"| {kind.replace('|', '/')} | {len(paths)} | {paths[0]} |" for kind, paths in ranked]
    return "\n".join(
        [*lines, "", "Written by `VZLAB_REGENERATE=1 pytest -m corpus tests/test_peers.py`.", ""]
    )
