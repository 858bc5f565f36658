"""Inspect a file at a path or url, or a dict of references."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from vzlab.inspection.from_manifests import inspect_group
from vzlab.inspection.model import Inspection, Opening
from vzlab.interop.virtualizarr import parse
from vzlab.storage import RequestLog, as_registry, local_path, normalize_url, url_name

PUBLIC_OPTIONS = frozenset({"region", "endpoint"})
"""Options of stores that may be shown to anybody."""


def handles(x: Any) -> bool:
    """Whether it is a path or a url, or a dict of Kerchunk references."""
    return isinstance(x, str | os.PathLike | dict)


def inspect(
    x: Any,
    *,
    group: str | None = None,
    parser: Any = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    since: str | None = None,
) -> Inspection:
    """Parse a file and describe what parsing found."""
    from vzlab.detection import detect_format
    from vzlab.parsers import parser_for
    from vzlab.parsers.anonymous import with_fitting_dimensions

    named = isinstance(x, str | os.PathLike)
    url = normalize_url(x) if named else x
    stores = as_registry(registry, storage_options)
    with RequestLog().listening() as log:
        used = parser or parser_for(detect_format(url, stores), url)(group=group)
        if named and type(used).__name__ == "IcechunkParser":
            from vzlab.inspection import from_icechunk

            return from_icechunk.inspect(x, group=group, parser=used, registry=stores, since=since)
        parsed = with_fitting_dimensions(parse(used, url, stores))
    # A parser that was given a group returns that group as the root; any other returns the whole tree.
    inner = None if getattr(used, "group", None) else group
    return inspect_group(
        parsed,
        kind="file" if named else "object",
        open_code=_open_code(x, url, group, parser, storage_options or {}) if named else "",
        group=inner,
        title=url_name(url) if named else type(x).__name__,
        opening=_opening(log, url) if named else None,
    )


def _opening(log: RequestLog, url: str) -> Opening | None:
    """What was asked of a url while it was parsed; None for a file on this machine."""
    asked = [request.length for request in log.requests if request.url == url]
    if local_path(url) is not None or not asked:
        return None
    return Opening(n_requests=len(asked), n_bytes=sum(asked))


def _open_code(
    x: str | os.PathLike[str], url: str, group: str | None, parser: Any, options: Mapping[str, Any]
) -> str:
    """Python that opens the same file; a local one by the path as it was given. Options that may be secret are not told."""
    location = str(x) if isinstance(x, PurePath) or local_path(url) else url
    choice = f", group={group!r}" if group else ""
    if type(parser).__module__.startswith("vzlab.parsers"):
        choice += f", parser=vz.parsers.{parser!r}"
    elif parser is not None:
        choice += ", parser=parser"
    if options:
        told = all(isinstance(value, bool) or key in PUBLIC_OPTIONS for key, value in options.items())
        choice += f", storage_options={dict(options)!r}" if told else ", storage_options=storage_options"
    return f"import vzlab as vz\n\nds = vz.open_virtual_dataset({location!r}{choice})"
