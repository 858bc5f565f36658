"""The pages of the API: every public name, by what one wants to do."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import vzlab as vz

AREAS: dict[str, tuple[str, list[str]]] = {
    "see": (
        "Look into anything",
        [
            "inspect",
            "explore",
            "trace",
            "cost",
            "record",
            "diff",
            "formats",
            "Inspection",
            "Trace",
            "Cost",
            "Recording",
        ],
    ),
    "build": (
        "Open and combine",
        [
            *(
                "open_virtual_dataset",
                "open_virtual_datatree",
                "open_virtual_mfdataset",
                "open_virtual_mfdatatree",
            ),
            *(
                "check_combine",
                "reencode_plan",
                "open_manifest_store",
                "open_group",
                "Builder",
                "build",
                "app",
            ),
            *("to_stac_item", "to_stac_collection", "urls_from_stac"),
        ],
    ),
    "keep": (
        "Write and keep",
        ["open_icechunk", "icechunk_credentials", "chunk_prefixes", "refresh", "relocate"],
    ),
    "trust": ("Compare and verify", ["compare", "verify", "fingerprint", "testing"]),
    "values": (
        "The engine's values",
        [
            *("ManifestGroup", "ManifestArray", "ChunkManifest", "ArrayMetadata", "ChunkGrid"),
            *("ManifestStore", "StoreRegistry", "RequestLog", "storage"),
        ],
    ),
    "parsers": ("Parsers", ["parsers"]),
    "learn": ("Learn", ["doctor", "learn", "samples"]),
    "errors": ("Errors", ["errors"]),
}
"""Public names by page: a page's name, its title, and the names. A test holds them against ``vzlab.__all__``."""


def api_pages() -> dict[str, str]:
    """Give each page of the API as Markdown, by its place in the site."""
    pages = {f"api/{name}.md": _page(title, names) for name, (title, names) in AREAS.items()}
    listed = "\n".join(
        f"| [{title}]({name}.md) | {', '.join(f'`vz.{each}`' for each in names)} |"
        for name, (title, names) in AREAS.items()
    )
    index = (
        "# API\n\n`import vzlab as vz`. Every name is loaded when it is first used. Examples of the reference run in tests, in a "
        'folder where `vz.samples.make_daily_archive("archive")` was called.\n\n'
        f"| page | names |\n| --- | --- |\n{listed}\n| [On datasets](accessor.md) | `ds.vzlab` |\n"
    )
    accessor = "# On datasets\n\nThe accessor of xarray's datasets and trees: `ds.vzlab`.\n\n" + _entry(
        "vzlab.accessor.DatasetAccessor", "ds.vzlab"
    )
    return {"api/index.md": index, **pages, "api/accessor.md": accessor}


def _page(title: str, names: list[str]) -> str:
    return "\n\n".join([f"# {title}", *(_of_name(name) for name in names)]) + "\n"


def _of_name(name: str) -> str:
    value = getattr(vz, name)
    if not isinstance(value, ModuleType):
        return _entry(_home(value), f"vz.{name}")
    public = getattr(value, "__all__", [each for each in vars(value) if not each.startswith("_")])
    exported = [each for each in public if _is_ours(getattr(value, each))]
    said = inspect.cleandoc(value.__doc__ or "")
    members = [_entry(_home(getattr(value, each)), f"vz.{name}.{each}") for each in exported]
    return "\n\n".join([said, *members])


def _is_ours(value: Any) -> bool:
    return (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__.startswith("vzlab")


def _home(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _entry(path: str, heading: str) -> str:
    return f"::: {path}\n    options:\n      heading: {heading}\n      toc_label: {heading}"
