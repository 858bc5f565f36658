"""Inspect many files at once: a list, or what a glob finds. Metadata are parsed and compared, and no values read."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vzlab.inspection.file_set import FileSet, Varying
from vzlab.inspection.from_manifests import inspect_group
from vzlab.inspection.model import Finding, Inspection, Severity, SourceInspection
from vzlab.manifests import ManifestGroup
from vzlab.storage import StoreRegistry, as_registry, local_path, url_name

_COORDINATE_FACET = "coordinates"
"""What takes values to compare."""


def handles(x: Any) -> bool:
    """Whether it is a list of paths, urls or groups, or a glob that is no path itself."""
    if isinstance(x, list | tuple):
        return bool(x) and all(isinstance(item, str | os.PathLike | ManifestGroup) for item in x)
    text = os.fspath(x) if isinstance(x, str | os.PathLike) else ""
    return (
        isinstance(text, str)
        and glob.has_magic(text)
        and not text.startswith(("http://", "https://"))
        and not os.path.exists(local_path(text) or text)  # noqa: PTH110 - a url may be no path
    )


def inspect(
    x: Any,
    *,
    group: str | None = None,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    **_: Any,
) -> Inspection:
    """Describe the first file, and all that differs in the others.

    Raises
    ------
    SourceNotFoundError
        If a glob finds nothing.
    """
    from vzlab.datasets import open_group

    stores = as_registry(registry, storage_options)
    names: list[str] = []
    groups: list[ManifestGroup] = []
    for item in _flat(x, stores):
        parsed = item if isinstance(item, ManifestGroup) else open_group(item, parser=parser, registry=stores)
        chosen = parsed[group] if group else parsed
        if not isinstance(chosen, ManifestGroup):
            raise KeyError(f"{group!r} is an array; expected a group")
        groups.append(chosen)
        names.append(url_name(item) if isinstance(item, str) else _name(parsed, len(names)))
    first = inspect_group(groups[0], kind="file", open_code="", title=names[0])
    report = _compare(groups, names, stores)
    sources = tuple(_sources(first, groups))
    files = _file_set(groups, names, sources, report)
    return replace(
        first,
        title=f"{len(groups):,} files" if len(groups) > 1 else names[0],
        kind="files",
        sources=sources,
        files=files,
        findings=tuple(
            sorted(
                [*_findings(report), *first.findings],
                key=lambda finding: ("problem", "notice", "fact").index(finding.severity),
            )
        ),
        open_code=_open_code(x),
    )


def _flat(x: Any, stores: StoreRegistry) -> list[Any]:
    from vzlab.datasets.sources import expand_sources

    items = x if isinstance(x, list | tuple) else [x]
    return [
        found
        for item in items
        for found in ([item] if isinstance(item, ManifestGroup) else expand_sources(item, stores))
    ]


def _name(group: ManifestGroup, position: int) -> str:
    sources = group.sources
    return url_name(sources[0].url) if len(sources) == 1 else f"group {position}"


def _open_code(x: Any) -> str:
    if isinstance(x, str | os.PathLike):
        return f"import vzlab as vz\n\nds = vz.open_virtual_mfdataset({os.fspath(x)!r})"
    return "import vzlab as vz\n\nds = vz.open_virtual_mfdataset(files)"


def _compare(groups: Sequence[ManifestGroup], names: Sequence[str], stores: StoreRegistry) -> list[Any]:
    """Findings of the compatibility check that need no values."""
    from vzlab.datasets import check_combine
    from vzlab.datasets.compatibility import Rules
    from vzlab.datasets.sources import open_manifest_group

    if len(groups) < 2:
        return []
    opened = [open_manifest_group(group, stores, loadable_variables=[]) for group in groups]
    # With `override`, nothing is read to compare what does not follow a combined dimension.
    rules = Rules(compat="override", override_indexes=True)
    report = check_combine(opened, names=names, rules=rules, registry=stores)
    return [finding for finding in report.findings if finding.facet != _COORDINATE_FACET]


def _findings(report: Sequence[Any]) -> list[Finding]:
    from vzlab.datasets.findings import PROBLEMS

    def severity(given: str) -> Severity:
        return "problem" if given in PROBLEMS else "fact" if given == "merges" else "notice"

    return [
        Finding(
            severity=severity(found.severity),
            text=found.sentence,
            consequence="" if found.severity not in PROBLEMS else f"To join them: {found.severity}.",
            variables=(found.variable,) if found.variable else (),
        )
        for found in report
        if found.severity not in ("harmless", "merges")
    ]


def _sources(first: Inspection, groups: Sequence[ManifestGroup]) -> list[SourceInspection]:
    """Those of the first file, so that its variables' positions stay right, then those of the others."""
    known = {source.url: source for source in first.sources}
    for group in groups[1:]:
        for source in group.sources:
            known.setdefault(
                source.url,
                SourceInspection(
                    url=source.url,
                    name=url_name(source.url),
                    size_bytes=source.size_bytes,
                    etag=source.etag,
                    last_modified=None if source.last_modified is None else source.last_modified.isoformat(),
                ),
            )
    return list(known.values())


def _file_set(
    groups: Sequence[ManifestGroup],
    names: Sequence[str],
    sources: Sequence[SourceInspection],
    report: Sequence[Any],
) -> FileSet:
    sizes = [source.size_bytes for source in sources if source.size_bytes is not None]
    all_known = len(sizes) == len(sources) and bool(sizes)
    stored: Counter[str] = Counter()
    n_chunks = 0
    holders: Counter[str] = Counter()
    for group in groups:
        for path, array in group.walk_arrays():
            stored[path] += array.manifest.stored_bytes
            n_chunks += array.manifest.n_chunks
            holders[path] += 1
    varying = {finding.variable for finding in report}
    return FileSet(
        names=tuple(names),
        described=names[0],
        total_bytes=sum(sizes) if all_known else None,
        min_bytes=min(sizes) if all_known else None,
        median_bytes=int(np.median(sizes)) if all_known else None,
        max_bytes=max(sizes) if all_known else None,
        n_chunks=n_chunks,
        stored_bytes=dict(stored),
        common=tuple(path for path, n in holders.items() if n == len(groups) and path not in varying),
        varying=tuple(
            Varying(
                variable=finding.variable,
                what=finding.facet,
                sentence=finding.sentence,
                held=tuple((held.value, held.n_files) for held in finding.holders),
            )
            for finding in report
        ),
    )
