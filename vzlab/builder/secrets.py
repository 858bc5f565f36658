"""Keep what must not be shown out of programs, JSON and reprs: it becomes the name of an environment variable."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

# What says where something is and how to ask for it; every other text among storage options is taken for a secret.
_SHOWN = frozenset(
    {
        *(
            "account",
            "account_name",
            "bucket",
            "bucket_name",
            "container",
            "container_name",
            "default_region",
        ),
        *("endpoint", "endpoint_url", "region", "proxy_url", "timeout", "connect_timeout", "user_agent"),
        *("pool_idle_timeout", "http2_keep_alive_interval", "http2_keep_alive_timeout", "backoff"),
        *("checksum", "checksum_algorithm", "copy_if_not_exists", "s3_express", "conditional_put"),
        *("allow_http", "anonymous", "skip_signature", "virtual_hosted_style_request", "unsigned_payload"),
    }
)
_NESTED = frozenset({"client_options", "retry_config", "backoff"})
_PREFIXES = ("aws_", "azure_storage_", "azure_", "google_")
_FAMILIES = {"s3": "AWS_", "s3a": "AWS_", "gs": "GOOGLE_", "gcs": "GOOGLE_", "az": "AZURE_STORAGE_",
             "azure": "AZURE_STORAGE_", "abfs": "AZURE_STORAGE_", "abfss": "AZURE_STORAGE_"}  # fmt: skip
HIDDEN = "***"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A value that is known here, or will be looked up in the environment; only the variable's name is ever shown."""

    env: str
    """Name of the environment variable that stands for it in programs and JSON."""
    shown: str = field(default="", compare=False)
    """What may be shown of it: a url without its query."""
    value: str | None = field(default=None, repr=False, compare=False)
    """Itself, if it was given; it is not pickled."""

    def reveal(self) -> str:
        """The value given, or that of the environment variable.

        Raises
        ------
        KeyError
            If there is neither.
        """
        found = os.environ.get(self.env) if self.value is None else self.value
        if found is None:
            raise KeyError(
                f"The environment variable {self.env} is not set. It stands for a secret that is not kept in programs and "
                "JSON: set it, and try again"
            )
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return _without_value, (self.env, self.shown)


def _without_value(env: str, shown: str) -> Secret:
    return Secret(env=env, shown=shown)


type Options = Mapping[str, Any]
"""Storage options in which secrets are `Secret`."""


def hide_options(options: Mapping[str, Any] | None, scheme: str, *, mark: str = "") -> dict[str, Any]:
    """Storage options with secrets set apart.

    Parameters
    ----------
    options : mapping, optional
        As ``obstore`` names them.
    scheme : str
        Of the urls that they are for: it gives the usual name of the environment variable.
    mark : str
        Put before that name, where two sets of options must not be confused.

    Raises
    ------
    TypeError
        If an option is an object that no program could write down.
    """
    family = _FAMILIES.get(scheme, "VZLAB_")
    return {str(name): _hidden(str(name), value, family, mark) for name, value in (options or {}).items()}


def _hidden(name: str, value: Any, family: str, mark: str) -> Any:
    if value is None or isinstance(value, bool | int | float | Secret):
        return value
    short = name.lower()
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix)
    if isinstance(value, Mapping):
        if short in _NESTED:
            return {str(key): _hidden(str(key), item, family, mark) for key, item in value.items()}
        return {
            str(key): Secret(env=_variable(f"{mark}VZLAB_{short}_{key}"), value=_text(item))
            for key, item in value.items()
        }
    if not isinstance(value, str | bytes):
        raise TypeError(
            f"Found a {type(value).__name__} as the storage option {name!r}; expected text, numbers or a mapping of them, "
            "which a program can write down. Credentials in the environment need no option at all"
        )
    text = _text(value)
    if short in _SHOWN and not _has_secret_part(text):
        return text
    return Secret(env=_variable(mark + (name if name.lower() != short else family + short)), value=text)


def _variable(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name).upper()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _has_secret_part(text: str) -> bool:
    """Whether a text is a url that names a user or has a query."""
    if "://" not in text:
        return False
    parts = urlsplit(text)
    return "@" in parts.netloc or (bool(parts.query) and parts.scheme in {"http", "https"})


def hide_url(url: str, number: int) -> str | Secret:
    """A url as it is, or set apart where it names a user or has a query, which may be a signature."""
    if not _has_secret_part(url):
        return url
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return Secret(env=f"VZLAB_SOURCE_{number}", shown=shown, value=url)


def reveal(value: Any) -> Any:
    """Values with every secret in its place.

    Raises
    ------
    KeyError
        If one is neither known nor in the environment.
    """
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(reveal(item) for item in value)
    return value


def secrets_in(*values: Any) -> Iterator[Secret]:
    """Every secret in values, however deep."""
    for value in values:
        if isinstance(value, Secret):
            yield value
        elif isinstance(value, Mapping):
            yield from secrets_in(*value.values())
        elif isinstance(value, list | tuple):
            yield from secrets_in(*value)


def scrub(text: str, secrets: Iterable[Secret]) -> str:
    """Text in which no secret that is known can be read."""
    for secret in secrets:
        value = secret.value if secret.value is not None else os.environ.get(secret.env)
        if not value:
            continue
        parts = [value]
        if secret.shown and "://" in value:
            split = urlsplit(value)
            parts = [value, split.query, split.netloc.rpartition("@")[0]]
        for part in filter(None, parts):
            for form in {
                part,
                quote(part, safe=""),
                quote(part),
                unquote(part),
                html.escape(part),
                repr(part)[1:-1],
            }:
                text = text.replace(form, HIDDEN)
    return text
