"""A cloud on this machine: an archive behind a real S3 protocol on loopback, with the log of what was requested."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from vzlab.errors import MissingDependencyError, SourceNotFoundError
from vzlab.inspection.words import format_bytes, format_count
from vzlab.render.html import card, dim, heading, mono, table
from vzlab.testing.servers.request_log import Request
from vzlab.testing.servers.s3_server import S3Server, serve_s3


class Archive(Protocol):
    """What `vzlab.samples` makes: a folder with files."""

    @property
    def folder(self) -> Path:
        """Where the files are."""
        ...


@dataclass(frozen=True, kw_only=True)
class RequestTable:
    """What was requested of a cloud, sorted by object and place: concurrent requests arrive in any order."""

    requests: tuple[Request, ...]

    @property
    def count(self) -> int:
        """Number of requests."""
        return len(self.requests)

    @property
    def bytes(self) -> int:
        """Bytes that were sent in answers."""
        return sum(request.length_bytes for request in self.requests)

    def __len__(self) -> int:
        return len(self.requests)

    def __str__(self) -> str:
        return "\n".join([self._title, *(f"  {'  '.join(row)}" for row in self._rows())])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [[mono(cell) for cell in row] for row in self._rows()]
        header = ["method", "object", "bytes asked for", "answer"]
        return card(
            heading(self._title),
            table(rows, header=header) if rows else dim("Nothing was asked."),
            upgrade=False,
        )

    @property
    def _title(self) -> str:
        return f"{format_count(self.count, 'request')}, {format_bytes(self.bytes)} sent"

    def _rows(self) -> Iterable[tuple[str, str, str, str]]:
        for request in sorted(self.requests, key=_place):
            asked = "-" if request.method == "HEAD" else "all" if request.range is None else request.range[6:]
            yield (
                request.method,
                request.path.lstrip("/"),
                asked,
                f"{request.status}, {format_bytes(request.length_bytes)}",
            )


def _place(request: Request) -> tuple[str, int, str, str]:
    return (request.path, request.byte_range[0] if request.byte_range else -1, request.method, request.query)


class LocalCloud:
    """A bucket that holds an archive, on a server that runs until `close` or the end of the block."""

    def __init__(self, archive: Path | None, *, bucket: str, public: bool) -> None:
        if archive is not None:
            _files_of(archive)  # refused before anything is started
        self.urls: tuple[str, ...] = ()
        """Of the objects, sorted."""
        with ExitStack() as started:
            self._server: S3Server = started.enter_context(serve_s3())
            self._bucket = self._server.bucket(bucket, public=public)
            if archive is not None:
                self.upload(archive)
            self._ended = started.pop_all()

    @property
    def url(self) -> str:
        """Of the bucket, with a slash at its end."""
        return self._bucket.url()

    @property
    def storage_options(self) -> dict[str, Any]:
        """For `vz.open_virtual_dataset` and the like: as the owner of the bucket. It names a port that changes."""
        return self._server.storage_options

    @property
    def anonymous_options(self) -> dict[str, Any]:
        """The same without credentials: enough to read a public bucket."""
        return self._server.anonymous_options

    @property
    def icechunk_options(self) -> dict[str, Any]:
        """What `icechunk.s3_storage` and `icechunk.s3_store` need for where the server is."""
        return self._server.icechunk_options

    @property
    def log(self) -> RequestTable:
        """What was requested since the start or the last `clear_log`."""
        return RequestTable(requests=self._server.requests)

    def clear_log(self) -> None:
        """Begin the log anew."""
        self._server.clear_requests()

    def upload(self, source: str | Path, key: str | None = None) -> None:
        """Put a file, or what a folder holds, into the bucket; an object of the same key is replaced.

        Parameters
        ----------
        source : path
        key : str, optional
            Of the file; its name if not given. A folder's files have their paths in it as keys.
        """
        path = Path(source)
        put = {
            self._bucket.put(
                key or (file.name if path.is_file() else file.relative_to(path).as_posix()), file.read_bytes()
            )
            for file in _files_of(path)
        }
        self.urls = tuple(sorted({*self.urls, *put}))
        self.clear_log()

    def close(self) -> None:
        """End the server."""
        self._ended.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalCloud({self.url!r}, {format_count(len(self.urls), 'object')})"


def _files_of(path: Path) -> list[Path]:
    files = (
        [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.name[0] != ".")
    )
    if not files:
        raise SourceNotFoundError(f"{path.name}: no file there to put into a bucket.")
    return files


def local_s3(
    archive: str | Path | Archive | None = None, *, bucket: str = "archive", public: bool = False
) -> LocalCloud:
    """Put an archive behind the S3 protocol, on this machine and reachable from nowhere else.

    Parameters
    ----------
    archive : path, or an archive that `vzlab.samples` made, optional
        A file, or a folder; what it holds becomes objects.
    bucket : str
        Its name: lower-case letters, digits, hyphens.
    public : bool
        Whether anyone may read without credentials.

    Returns
    -------
    LocalCloud
        Use it in a ``with`` block, or `close` it.

    Raises
    ------
    MissingDependencyError
        If moto, which speaks the protocol, is not installed.
    SourceNotFoundError
        If the archive holds no file.

    Examples
    --------
    >>> import vzlab as vz
    >>> archive = vz.samples.make_swath("swath")
    >>> with vz.learn.local_s3(archive) as cloud:
    ...     ds = vz.open_virtual_dataset(cloud.urls[0], storage_options=cloud.storage_options)
    ...     cloud.log.count > 0
    True
    """
    if importlib.util.find_spec("moto") is None:
        raise MissingDependencyError("moto", extra="testing", purpose="A cloud on this machine")
    folder = None if archive is None else Path(archive) if isinstance(archive, str | Path) else archive.folder
    return LocalCloud(folder, bucket=bucket, public=public)
