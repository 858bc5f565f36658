"""Assets that lead to a virtual dataset, and to the files that it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import pystac

type Kind = Literal["icechunk", "kerchunk json", "kerchunk parquet", "zarr"]

STORAGE = "https://stac-extensions.github.io/storage/v2.0.0/schema.json"
VIRTUAL_ASSETS = "https://stac-extensions.github.io/virtual-assets/v1.0.0/schema.json"
XARRAY_ASSETS = "https://stac-extensions.github.io/xarray-assets/v1.0.0/schema.json"
ZARR = "https://stac-extensions.github.io/zarr/v1.1.0/schema.json"

# Icechunk's as xpystac opens it; Zarr's with its version, as the STAC best practices for Zarr ask.
_MEDIA_TYPES: Mapping[Kind, str] = {
    "icechunk": "application/vnd.zarr+icechunk",
    "kerchunk json": pystac.MediaType.JSON,
    "kerchunk parquet": "application/vnd.apache.parquet",
    "zarr": "application/vnd.zarr; version=3",
}


@dataclass(frozen=True, kw_only=True)
class Assets:
    """Assets by key, the storage that they lie in, and the extensions that their fields are of."""

    assets: Mapping[str, pystac.Asset]
    schemes: Mapping[str, Mapping[str, Any]]
    """``storage:schemes``, for the object that owns the assets."""
    extensions: tuple[str, ...]


def kind_of(href: str) -> Kind:
    """What lies at a place, as its name tells: anything that is not a file of references is a repository."""
    path = urlsplit(href).path.rstrip("/")
    if path.endswith(".json"):
        return "kerchunk json"
    if path.endswith((".parquet", ".parq")):
        return "kerchunk parquet"
    return "zarr" if path.endswith(".zarr") else "icechunk"


def assets_of(
    href: str,
    *,
    key: str,
    kind: Kind,
    title: str | None,
    version: str | None,
    prefixes: Iterable[str],
    storage_options: Mapping[str, Any],
    source_options: Mapping[str, Any],
) -> Assets:
    """The asset of a virtual dataset, and one for each prefix under which its files lie."""
    schemes: dict[str, Mapping[str, Any]] = {}
    fields: dict[str, Any] = _opening(kind, source_options, list(prefixes))
    extensions = [XARRAY_ASSETS] if kind != "icechunk" else [ZARR]
    if version is not None:
        fields["version"] = version
    fields |= _storage(href, storage_options, schemes)
    virtual = kind != "zarr"
    roles = [
        "data",
        *(["references", "index"] if kind.startswith("kerchunk") else []),
        *(["virtual"] if virtual else []),
    ]
    sources: dict[str, pystac.Asset] = {}
    for number, prefix in enumerate(prefixes):
        name = "source" if number == 0 else f"source-{number + 1}"
        sources[name] = pystac.Asset(
            href=prefix, title="The files referred to", roles=["source"], extra_fields=_storage(prefix, source_options, schemes)
        )  # fmt: skip
    if virtual and sources:
        fields["vrt:hrefs"] = [{"key": name, "href": f"#/assets/{name}"} for name in sources]
        extensions.append(VIRTUAL_ASSETS)
    if schemes:
        extensions.append(STORAGE)
    asset = pystac.Asset(
        href=href, title=title, media_type=_MEDIA_TYPES[kind], roles=roles, extra_fields=fields
    )
    return Assets(assets={key: asset, **sources}, schemes=schemes, extensions=tuple(extensions))


def _opening(kind: Kind, source_options: Mapping[str, Any], prefixes: list[str]) -> dict[str, Any]:
    """How xarray opens it (xarray-assets), or Zarr (zarr extension)."""
    if kind == "icechunk":
        return {"zarr:consolidated": False, "zarr:zarr_format": 3}
    if kind == "zarr":
        return {"xarray:open_kwargs": {"engine": "zarr", "consolidated": False}}
    opening: dict[str, Any] = {"engine": "kerchunk", "chunks": {}}
    protocol = urlsplit(prefixes[0]).scheme if prefixes else "file"
    fields: dict[str, Any] = {"xarray:open_kwargs": opening}
    if protocol not in ("", "file"):
        remote = {"anon": True} if _is_anonymous(source_options) else {}
        fields["xarray:storage_options"] = {"remote_protocol": protocol, "remote_options": remote}
    return fields


def _storage(
    href: str, options: Mapping[str, Any], schemes: dict[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """``storage:refs`` of an asset; its scheme is added to those of its owner. Secrets are never written."""
    parts = urlsplit(href)
    if parts.scheme not in ("s3", "s3a"):
        return {}
    endpoint = options.get("endpoint") or options.get("aws_endpoint")
    name = f"aws-s3-{parts.netloc}"
    scheme: dict[str, Any] = {
        "type": "aws-s3",
        "platform": f"{endpoint}/{{bucket}}" if endpoint else "https://{bucket}.s3.{region}.amazonaws.com",
        "bucket": parts.netloc,
        "region": options.get("region") or options.get("aws_region") or "us-east-1",
    }
    if _is_anonymous(options):
        scheme["anonymous"] = True
    schemes.setdefault(name, scheme)
    return {"storage:refs": [name]}


def _is_anonymous(options: Mapping[str, Any]) -> bool:
    return str(options.get("skip_signature", False)).lower() in ("true", "1", "yes")
