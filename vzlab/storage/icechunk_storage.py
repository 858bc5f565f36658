"""Icechunk's storage at a path or url."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from vzlab.errors import MissingDependencyError, UnknownUrlError
from vzlab.storage.gate import pass_gate
from vzlab.storage.options import AzureOptions, GcsOptions, S3Options
from vzlab.storage.urls import normalize_url

try:
    import icechunk
except ImportError as error:  # pragma: no cover
    raise MissingDependencyError(
        "icechunk", extra="icechunk", purpose="Writing and reading Icechunk"
    ) from error

if TYPE_CHECKING:
    from icechunk import Storage

SCHEMES = {
    "file": "file",
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "azure": "azure",
    "abfs": "azure",
    "http": "http",
    "https": "http",
}
"""Kind of Icechunk's storage by scheme of urls."""


def open_storage(
    location: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> Storage:
    """Icechunk's storage at a path or url, with options named as for ``obstore``.

    Raises
    ------
    UnknownUrlError
        If Icechunk has no storage for the url.
    """
    url = normalize_url(location)
    pass_gate(url)
    parts = urlsplit(url)
    path = unquote(parts.path)
    match SCHEMES.get(parts.scheme):
        case "file":
            return icechunk.local_filesystem_storage(path)
        case "s3":
            options = S3Options.of(storage_options)
            return icechunk.s3_storage(
                bucket=parts.netloc,
                prefix=path.strip("/") or None,
                **options.address(),
                **options.credentials(),
            )
        case "gcs":
            return icechunk.gcs_storage(
                bucket=parts.netloc,
                prefix=path.strip("/") or None,
                **GcsOptions.of(storage_options).credentials(),
            )
        case "azure":
            azure = AzureOptions.of(storage_options)
            return icechunk.azure_storage(
                account=azure.account, container=parts.netloc, prefix=path.strip("/"), **azure.credentials()
            )
        case "http":
            return icechunk.http_storage(url)
    raise UnknownUrlError(
        f"Icechunk has no storage for {parts.scheme}:// urls. Give a path, an s3://, gs:// or az:// url, or an "
        "icechunk.Storage such as icechunk.in_memory_storage()"
    )
