"""Virtual chunk containers of Icechunk: which url prefixes references lie under, and what authorises reading them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from vzlab.errors import MissingDependencyError, WriteError
from vzlab.storage import normalize_url
from vzlab.storage.gate import pass_gate
from vzlab.storage.icechunk_storage import SCHEMES, open_storage
from vzlab.storage.options import AzureOptions, GcsOptions, S3Options

try:
    import icechunk
except ImportError as error:  # pragma: no cover
    raise MissingDependencyError(
        "icechunk", extra="icechunk", purpose="Writing and reading Icechunk"
    ) from error

if TYPE_CHECKING:
    from icechunk import Repository, RepositoryConfig, Session, Storage, VirtualChunkContainer

type RepositoryLike = str | os.PathLike[str] | Storage | Repository | Session | Any
"""A path or url of a repository, its storage, the repository, or a session or store of it."""

_ONE_REQUEST_BYTES = 12 * 2**20
_MANY_REQUESTS = 18
_TRIES, _BACKOFF_MS, _MAX_BACKOFF_MS = 10, 100, 180_000

# -- reading -----------------------------------------------------------------------------------------------------------


def repository_config(
    x: RepositoryLike, storage_options: Mapping[str, Any] | None = None
) -> RepositoryConfig:
    """The configuration of a repository; of a path, url or storage the stored one.

    Raises
    ------
    FileNotFoundError
        If there is no repository.
    """
    if isinstance(x, icechunk.IcechunkStore):
        x = x.session
    if isinstance(x, icechunk.Repository | icechunk.Session):
        return x.config
    storage = x if isinstance(x, icechunk.Storage) else open_storage(x, storage_options)
    try:
        config = icechunk.Repository.fetch_config(storage)
    except icechunk.NotFoundError as error:
        place = " ".join(str(x).split())  # a storage says itself on several lines
        raise FileNotFoundError(f"No Icechunk repository at {place}") from error
    return icechunk.RepositoryConfig.default() if config is None else config


def chunk_prefixes(x: RepositoryLike, *, storage_options: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Url prefixes under which the virtual chunks of a repository lie, sorted.

    Parameters
    ----------
    x : path, url, icechunk.Storage, Repository, Session or IcechunkStore
    storage_options : mapping, optional
        For a url: ``region``, ``endpoint``, ``skip_signature``, ``access_key_id``, ... as ``obstore`` names them.

    Returns
    -------
    tuple of str
        Empty of a repository without virtual chunks.

    Examples
    --------
    >>> import vzlab as vz
    >>> ds = vz.open_virtual_dataset("archive/sst_2025-01-01.nc")
    >>> _ = ds.vzlab.to_icechunk("cube")
    >>> [prefix.split("/")[-2] for prefix in vz.chunk_prefixes("cube")]
    ['archive']
    """
    return tuple(sorted(repository_config(x, storage_options).virtual_chunk_containers or {}))


def icechunk_credentials(
    x: RepositoryLike,
    *,
    anonymous: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What authorises reading every virtual chunk of a repository.

    Parameters
    ----------
    x : path, url, icechunk.Storage, Repository, Session or IcechunkStore
    anonymous : bool
        Whether requests to buckets go unsigned.
    storage_options : mapping, optional
        Credentials for buckets, named as for ``obstore`` (``access_key_id``, ``secret_access_key``, ...); without any,
        they come from the environment.

    Returns
    -------
    dict
        For ``icechunk.Repository.open(storage, authorize_virtual_chunk_access=...)``.

    Examples
    --------
    >>> import vzlab as vz
    >>> ds = vz.open_virtual_dataset("archive/sst_2025-01-01.nc")
    >>> _ = ds.vzlab.to_icechunk("granted")
    >>> grant = vz.icechunk_credentials("granted")
    >>> [type(credentials).__name__ for credentials in grant.values()]
    ['LocalFileSystemAccess']
    """
    containers = repository_config(x, storage_options).virtual_chunk_containers or {}
    return {
        prefix: _credentials(container, anonymous=anonymous, storage_options=storage_options)
        for prefix, container in containers.items()
    }


def open_icechunk(
    x: str | os.PathLike[str] | Storage,
    *,
    anonymous: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Repository:
    """Open a repository with every virtual chunk container of it authorised.

    Authorising means that this process reads whatever files and objects the repository points to under its
    prefixes: `chunk_prefixes` lists them.

    Parameters
    ----------
    x : path, url or icechunk.Storage
    anonymous, storage_options
        As for `icechunk_credentials`.

    Returns
    -------
    icechunk.Repository
        Its sessions read virtual chunks: ``repository.readonly_session("main").store`` is for ``xarray.open_zarr``.

    Examples
    --------
    >>> import vzlab as vz
    >>> import xarray as xr
    >>> ds = vz.open_virtual_dataset("archive/sst_2025-01-01.nc")
    >>> _ = ds.vzlab.to_icechunk("opened")
    >>> store = vz.open_icechunk("opened").readonly_session("main").store
    >>> round(float(xr.open_zarr(store, consolidated=False).sst[0, 40, 80]), 2)
    27.52
    """
    storage = x if isinstance(x, icechunk.Storage) else open_storage(x, storage_options)
    config = repository_config(storage)
    for prefix in config.virtual_chunk_containers or {}:
        pass_gate(prefix)  # Icechunk reads what lies there by itself
    config.storage = single_requests(storage, config.storage)
    return icechunk.Repository.open(
        storage,
        config=config,
        authorize_virtual_chunk_access=icechunk_credentials(
            storage, anonymous=anonymous, storage_options=storage_options
        ),
    )


def single_requests(
    storage: Storage, kept: icechunk.StorageSettings | None = None
) -> icechunk.StorageSettings:
    """Settings with which a chunk of up to 12 MiB is one request, tried again if it fails; what else was kept stays.

    Chunks elsewhere are read by the settings of their repository's own storage. Those of a folder or of memory cut every
    chunk into several requests, and try each of them once.
    """
    default = storage.default_settings()
    settings = default if kept is None else kept
    if settings.concurrency == default.concurrency:
        # A size alone would set the number of requests to nothing.
        settings.concurrency = icechunk.StorageConcurrencySettings(
            max_concurrent_requests_for_object=_MANY_REQUESTS,
            ideal_concurrent_request_size=_ONE_REQUEST_BYTES,
        )
    if settings.retries is not None and settings.retries.max_tries == 1:
        settings.retries = icechunk.StorageRetriesSettings(
            max_tries=_TRIES, initial_backoff_ms=_BACKOFF_MS, max_backoff_ms=_MAX_BACKOFF_MS
        )
    return settings


def _credentials(
    container: VirtualChunkContainer, *, anonymous: bool, storage_options: Mapping[str, Any] | None
) -> Any:
    match SCHEMES.get(urlsplit(container.url_prefix).scheme):
        case "file":
            return icechunk.credentials.LocalFileSystemAccess
        case "http":
            return icechunk.credentials.HttpAccess
        case "gcs":
            options: dict[str, Any] = (
                {"anonymous": True} if anonymous else GcsOptions.of(storage_options).credentials()
            )
            credential: Any = icechunk.gcs_credentials(**options)
        case "azure":
            credential = icechunk.azure_credentials(
                **({"anonymous": True} if anonymous else AzureOptions.of(storage_options).credentials())
            )
        case _:
            # Written by us or not, a container says whether its bucket is read unsigned.
            unsigned = anonymous or getattr(getattr(container.store, "_0", None), "anonymous", False)
            credential = icechunk.s3_credentials(
                **({"anonymous": True} if unsigned else S3Options.of(storage_options).credentials())
            )
    return icechunk.containers_credentials({container.url_prefix: credential})[container.url_prefix]


def authorization_needs(prefixes: Iterable[str]) -> str:
    """What each prefix needs so that chunks under it may be read, and the call that grants it, in a sentence."""
    words = {
        "file": "leave to read local files",
        "http": "leave to read over HTTP",
    }
    needs = [
        f"{prefix} needs {words.get(SCHEMES[urlsplit(prefix).scheme], 'credentials, or anonymous=True')}"
        for prefix in sorted(prefixes)
    ]
    return (
        f"{'; '.join(needs)}. vz.open_icechunk(...) grants all of it, and so does "
        "icechunk.Repository.open(storage, authorize_virtual_chunk_access=vz.icechunk_credentials(storage))."
    )


# -- writing -----------------------------------------------------------------------------------------------------------


def uncovered(urls: Iterable[str], prefixes: Iterable[str]) -> list[str]:
    """The urls that no prefix covers.

    Icechunk 2.3 compares a prefix with the percent-encoded url when it writes, and with the decoded one when it reads:
    both must be covered.
    """
    known = tuple(prefixes)
    return [url for url in urls if not (known and url.startswith(known) and unquote(url).startswith(known))]


def prefixes_for(urls: Iterable[str]) -> tuple[str, ...]:
    """The prefixes that containers for these urls get: buckets and hosts whole, of local files the directories.

    Directories that lie together give the one that holds them all. A prefix that needs percent-encoding is given both
    ways, since Icechunk 2.3 wants one form at writing and the other at reading.

    Raises
    ------
    WriteError
        If Icechunk cannot read such urls, or a file lies in the root directory.
    """
    directories: dict[str, list[str]] = {}
    found: set[str] = set()
    for url in urls:
        parts = urlsplit(url)
        kind = SCHEMES.get(parts.scheme)
        if kind is None:
            raise WriteError(
                f"Icechunk cannot read {parts.scheme}:// urls such as {url}. Copy the file to a disk or a bucket, and "
                "ds.vzlab.rename_urls(...)"
            )
        if kind == "file":
            directory = posixpath.dirname(unquote(parts.path))
            top = "/".join(directory.split("/")[:3])
            directories.setdefault(top, []).append(directory)
        else:
            found.add(f"{parts.scheme}://{parts.netloc}/")
    for together in directories.values():
        common = posixpath.commonpath(together)
        if common == "/":
            raise WriteError(
                "A file lies in the root directory, and Icechunk takes no container for all of a disk. Move it to a "
                "directory of its own."
            )
        found |= {normalize_url(common) + "/", f"file://{common}/"}
    return tuple(sorted(found))


def container_for(prefix: str, source_options: Mapping[str, Any] | None = None) -> VirtualChunkContainer:
    """The container for a prefix, which says where its bucket is and never holds a secret."""
    store: Any
    match SCHEMES[urlsplit(prefix).scheme]:
        case "file":
            store = icechunk.local_filesystem_store(prefix.removeprefix("file://"))
        case "http":
            store = icechunk.http_store({"allow_http": "true"} if prefix.startswith("http://") else None)
        case "gcs":
            store = icechunk.gcs_store()
        case "azure":
            from icechunk.storage import azure_store

            store = azure_store(account=AzureOptions.of(source_options).account)
        case _:
            options = S3Options.of(source_options)
            store = icechunk.s3_store(
                **options.address(),
                anonymous=options.anonymous,
                s3_compatible=options.endpoint_url is not None,
            )
    return icechunk.VirtualChunkContainer(prefix, store)


def authorization(location: str | None, prefixes: Iterable[str], *, with_options: bool = False) -> str:
    """The call that opens a repository with its virtual chunks readable, as text; empty if there are none."""
    if not tuple(prefixes):
        return ""
    if location is not None:
        options = ", storage_options={...}" if with_options else ""
        return f"vz.open_icechunk({location!r}{options})"
    credentials = "vz.icechunk_credentials(storage)"
    return f"icechunk.Repository.open(storage, authorize_virtual_chunk_access={credentials})"
