"""What an app may touch: files below some directories, urls below some prefixes, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from glob import has_magic
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from vzlab.errors import AccessDeniedError
from vzlab.storage import local_path, normalize_url

_PORTS = {"http": 80, "https": 443}
_ALIASES = {"s3a": "s3", "gcs": "gs", "azure": "az", "abfs": "az", "abfss": "az"}
_STORE_OPTIONS = frozenset(
    {"skip_signature", "region", "default_region", "account", "account_name", "access_key_id", "secret_access_key",
     "session_token", "token", "access_key", "account_key", "sas_token", "sas_key", "bearer_token", "anonymous"}
)  # fmt: skip
"""What a session may say of a store: who asks, and nothing that names another place to ask."""

_PREFIXES = ("aws_", "google_", "azure_storage_", "azure_")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which places an app may touch.

    Local files are judged by where they really are, behind all links. Urls are judged part by part: scheme, host, port and
    whole segments of the path.

    Parameters
    ----------
    roots : tuple of str
        Real paths of directories, and of single files, below which local files may be read and written.
    prefixes : tuple of str
        Normalised urls below which remote objects may be read.
    """

    roots: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        roots: Iterable[str | os.PathLike[str]] = (),
        allow_urls: Iterable[str] = (),
        sources: Iterable[str | os.PathLike[str]] = (),
    ) -> Self:
        """A policy from what was typed; what is named as a source is allowed by itself.

        Raises
        ------
        ValueError
            If a prefix is no url of a host or bucket.
        """
        named = [normalize_url(source) for source in sources if not has_magic(os.fspath(source))]
        local = [path for url in named if (path := local_path(url)) is not None]
        prefixes = [*map(normalize_url, allow_urls), *(url for url in named if local_path(url) is None)]
        for prefix in prefixes:
            if not urlsplit(prefix).netloc or local_path(prefix) is not None or _userinfo(prefix):
                raise ValueError(
                    f"Found {shown_location(prefix)!r} as a prefix of urls; expected such as 's3://bucket/prefix' or "
                    "'https://host/folder', without a user in it. Directories of this machine are given as roots"
                )
        real = [os.path.realpath(os.path.expanduser(os.fspath(root))) for root in [*roots, *local]]  # noqa: PTH111
        return cls(roots=tuple(dict.fromkeys(real)), prefixes=tuple(dict.fromkeys(prefixes)))

    @property
    def home(self) -> str:
        """The directory that relative paths are meant below: the first root."""
        return next((root for root in self.roots if os.path.isdir(root)), os.getcwd())  # noqa: PTH109, PTH112

    def check(self, url: str) -> None:
        """Let a url pass.

        Raises
        ------
        AccessDeniedError
            If it lies nowhere that may be touched. The message tells nothing of what is there.
        """
        normal = normalize_url(url)
        path = local_path(normal)
        if normal.startswith("memory:"):
            raise self._refused(url)
        if path is None:
            if not any(_is_below(normal, prefix) for prefix in self.prefixes):
                raise self._refused(url)
        elif not self._is_inside(path):
            raise self._refused(url)

    def check_location(self, text: str) -> None:
        """Let something pass that a person typed: a path, a url or a glob.

        Raises
        ------
        AccessDeniedError
        """
        if "\0" in text or "\\" in text:
            raise self._refused(text)
        if not has_magic(text) or text.startswith(("http://", "https://")):
            self.check(text)
            return
        if ".." in text.split("/"):
            raise self._refused(text)
        # The directories above the first pattern; what is found is judged one by one.
        fixed = []
        for part in text.split("/"):
            if has_magic(part):
                break
            fixed.append(part)
        self.check("/".join(fixed) or ("/" if text.startswith("/") else "."))

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Let options of a store pass.

        Raises
        ------
        AccessDeniedError
            If one says more than who asks: an endpoint or a proxy would be another place.
        """
        for name in options:
            short = name.lower()
            for prefix in _PREFIXES:
                short = short.removeprefix(prefix)
            if short not in _STORE_OPTIONS:
                raise AccessDeniedError(
                    f"The option {name!r} may not be given here: expected some of {', '.join(sorted(_STORE_OPTIONS))}"
                )

    def http_store(self, base: str) -> Any:
        """A store that follows no redirect."""
        from vzlab.webapp.plain_http import PlainHttpStore

        return PlainHttpStore(base)

    def _is_inside(self, path: str) -> bool:
        if "\0" in path:
            return False
        real = os.path.realpath(path)
        return any(real == root or real.startswith(root.rstrip("/") + "/") for root in self.roots)

    @staticmethod
    def _refused(place: str) -> AccessDeniedError:
        return AccessDeniedError(
            f"{shown_location(place)} lies outside of what this app may touch. Whoever started it chose that with --root and "
            "--allow-url: ask for the place to be added, or give another"
        )


def shown_location(place: str) -> str:
    """A place without what may be a secret: the user and the query of a url."""
    if "://" not in place:
        return place[:300]
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:300]


def _userinfo(url: str) -> bool:
    return "@" in urlsplit(url).netloc or "%40" in urlsplit(url).netloc


def _is_below(url: str, prefix: str) -> bool:
    """Whether one url lies below another, whatever servers make of it."""
    if _userinfo(url) or "\\" in url:
        return False
    try:
        asked, allowed = urlsplit(url), urlsplit(prefix)
        if _authority(asked) != _authority(allowed):
            return False
    except ValueError:  # a port that is no number
        return False
    segments = asked.path
    while True:  # a server may decode more than once
        if any(part in (".", "..") for part in segments.split("/")) or "\\" in segments or "\0" in segments:
            return False
        decoded = unquote(segments)
        if decoded == segments:
            break
        segments = decoded
    within, above = unquote(asked.path).strip("/"), unquote(allowed.path).strip("/")
    return not above or within == above or within.startswith(above + "/")


def _authority(parts: Any) -> tuple[str, str, int | None]:
    scheme = _ALIASES.get(parts.scheme, parts.scheme)
    return scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme)
