"""Ranges over HTTP, straight from the url that was asked for: a redirect is an error."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3

from vzlab.errors import AccessDeniedError
from vzlab.storage.urls import quote_key

_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_RETRIES = urllib3.Retry(
    total=4, redirect=0, backoff_factor=0.2, status_forcelist=(502, 503, 504), raise_on_redirect=False
)
_POOL = urllib3.PoolManager(num_pools=32, maxsize=8, timeout=_TIMEOUT, retries=_RETRIES)
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came of a request, as obspec has it."""

    meta: dict[str, Any]
    data: bytes

    def buffer(self) -> bytes:
        """The bytes."""
        return self.data


class PlainHttpStore:
    """Objects of one host, by the protocols of obspec: ``get``, ``get_range``, ``head``.

    obstore's own store follows redirects wherever they lead, which nobody could check.

    Parameters
    ----------
    base : str
        Scheme, host and query; keys are paths.
    """

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._origin = f"{parts.scheme}://{parts.netloc}/"
        self._query = f"?{parts.query}" if parts.query else ""

    def head(self, path: str) -> dict[str, Any]:
        """Size, entity tag and time of the last change."""
        return _meta(self._ask("HEAD", path, {}), path)

    def get(self, path: str, *, options: dict[str, Any] | None = None) -> Fetched:
        """The first bytes, or a range, with the metadata."""
        first, stop = (options or {}).get("range", (0, None))
        wanted = f"bytes={first}-{'' if stop is None else stop - 1}"
        response = self._ask("GET", path, {"Range": wanted}, most=None if stop is None else stop - first)
        if response.status == 416:
            raise ValueError(f"Range Not Satisfiable: {wanted}")
        return Fetched(meta=_meta(response, path), data=response.data)

    def get_range(self, path: str, *, start: int, length: int) -> bytes:
        """A range."""
        response = self._ask("GET", path, {"Range": f"bytes={start}-{start + length - 1}"}, most=length)
        if response.status == 416:
            raise ValueError(f"Range Not Satisfiable: {start} to {start + length}")
        if response.status != 206:
            raise ValueError("Range request not supported: the whole object came.")
        data: bytes = response.data
        return data

    async def get_range_async(self, path: str, *, start: int, length: int) -> bytes:
        """A range, without blocking."""
        return await asyncio.to_thread(self.get_range, path, start=start, length=length)

    def _ask(self, method: str, path: str, headers: dict[str, str], most: int | None = 0) -> Any:
        url = self._origin + quote_key(path) + self._query
        response = _POOL.request(
            method,
            url,
            headers={**headers, "Accept-Encoding": "identity"},
            redirect=False,
            preload_content=False,
        )
        try:
            if 300 <= response.status < 400:
                raise AccessDeniedError(
                    f"{self._origin}{path} answers with a redirect, which may lead anywhere and is not followed: give the url "
                    "that it leads to, if that may be read"
                )
            if response.status == 404:
                raise FileNotFoundError(f"No object at {self._origin}{path}")
            if response.status >= 400 and response.status != 416:
                raise OSError(f"{self._origin}{path}: the server answered {response.status}")
            data = b"" if method == "HEAD" else _body(response, most)
        finally:
            response.release_conn()
        return _Answer(status=response.status, headers=response.headers, data=data)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: int
    headers: Any
    data: bytes


def _body(response: Any, most: int | None) -> bytes:
    """The body, but never more than was asked for: a server that knows no ranges sends everything."""
    parts, n_bytes = [], 0
    for part in response.stream(_BLOCK_BYTES):
        parts.append(part)
        n_bytes += len(part)
        if most is not None and n_bytes >= most:
            if n_bytes > most:
                response.close()
            break
    data = b"".join(parts)
    return data if most is None else data[:most]


def _meta(answer: _Answer, path: str) -> dict[str, Any]:
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    size = int(total) if total.isdigit() else int(answer.headers.get("Content-Length", len(answer.data)))
    changed = answer.headers.get("Last-Modified")
    return {
        "path": path,
        "size": size,
        "e_tag": answer.headers.get("ETag"),
        "last_modified": parsedate_to_datetime(changed) if changed else datetime.fromtimestamp(0, UTC),
    }
