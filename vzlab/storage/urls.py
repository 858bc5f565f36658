"""Paths and urls in any form to one absolute, percent-encoded form."""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/")
_SAFE = "/:@!$&'()*+,;=~-._"
_ESCAPED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MOST_FOLDERS = 5


def normalize_url(location: str | os.PathLike[str]) -> str:
    """An absolute url of a path or url.

    A path is taken as it is, so that ``#``, ``?``, ``%``, blanks and letters beyond ASCII in file names survive. A url may
    be percent-encoded already; what is not gets encoded. Object keys have no queries: only in ``http`` urls does ``?``
    begin one.

    Parameters
    ----------
    location : str or path
        Relative paths are below the working directory.

    Returns
    -------
    str

    Examples
    --------
    >>> normalize_url("s3://bucket/a b#1.nc")
    's3://bucket/a%20b%231.nc'
    >>> normalize_url("/data/50%.nc")
    'file:///data/50%25.nc'
    """
    text = os.fspath(location)
    match = _SCHEME.match(text)
    if match is None:
        path = Path(text).expanduser()
        absolute = Path(os.path.abspath(path)).as_posix()  # noqa: PTH100  resolve() would follow links
        return "file://" + quote_key(absolute)
    scheme, rest = match.group(1).lower(), text[match.end(1) + 1 :]
    query = ""
    if scheme in {"http", "https"}:
        rest, mark, query = rest.partition("?")
        query = mark + query
    elif scheme == "file":
        rest = "//" + rest.removeprefix("//").removeprefix("localhost")
    encoded = quote(_ESCAPED.sub("%25", rest), safe=_SAFE + "%")
    return f"{scheme}:{encoded}{query}"


def local_path(url: str) -> str | None:
    """The path of a ``file`` url on this machine; None for any other url.

    Parameters
    ----------
    url : str
        As `normalize_url` gives it.

    Returns
    -------
    str or None
        Decoded.
    """
    return unquote(url[len("file://") :]) if url.startswith("file://") else None


def join_url(base: str, relative: str) -> str:
    """The url of a path given relative to the directory of another url's file.

    Parameters
    ----------
    base : str
        Url of a file.
    relative : str
        Path, or a url, which stands for itself.

    Returns
    -------
    str

    Examples
    --------
    >>> join_url("s3://bucket/a/b.nc", "../c.nc")
    's3://bucket/c.nc'
    """
    if _SCHEME.match(relative):
        return normalize_url(relative)
    parts = urlsplit(base)
    if relative.startswith("/"):
        path = relative
    else:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(unquote(parts.path)), relative))
    return f"{parts.scheme}://{parts.netloc}{quote_key(path)}"


def quote_key(key: str) -> str:
    """A path or key, percent-encoded as `normalize_url` leaves it."""
    return quote(key, safe=_SAFE)


def url_name(url: str) -> str:
    """The last part of a url, decoded: the file's name.

    Parameters
    ----------
    url : str

    Returns
    -------
    str
        The url itself where it has no path.
    """
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]) or url


def url_names(urls: Sequence[str]) -> list[str]:
    """Names of several files; those that would have the same get as many of the folders above as tell them apart, at most five.

    Parameters
    ----------
    urls : sequence of str

    Returns
    -------
    list of str
        As many, in the same order.

    Examples
    --------
    >>> url_names(["file:///2024/sst.nc", "file:///2025/sst.nc", "file:///2025/ice.nc"])
    ['2024/sst.nc', '2025/sst.nc', 'ice.nc']
    """
    names = [url_name(url) for url in urls]
    for n_folders in range(1, _MOST_FOLDERS + 1):
        found = Counter(names)
        if len(found) == len(names):
            break
        names = [
            name
            if found[name] == 1
            else "/".join(unquote(urlsplit(url).path).strip("/").split("/")[-n_folders - 1 :]) or url
            for name, url in zip(names, urls, strict=True)
        ]
    return names


def split_url(url: str) -> tuple[str, str]:
    """A normalised url as its store (scheme, authority and query) and the decoded key inside it.

    Examples
    --------
    >>> split_url("s3://bucket/a%20b.nc")
    ('s3://bucket', 'a b.nc')
    >>> split_url("https://host/a.nc?token=1")
    ('https://host?token=1', 'a.nc')
    """
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{query}", unquote(parts.path).lstrip("/")
