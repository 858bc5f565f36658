"""The application in a browser: a Panel server with explorer, builder, quick looks, comparison, versions and requests."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vzlab.errors import MissingDependencyError

if TYPE_CHECKING:
    from vzlab.webapp.policy import Policy
    from vzlab.webapp.server import Settings, serve
    from vzlab.webapp.session import App, app

_HOMES = {"App": "session", "Policy": "policy", "Settings": "server", "app": "session", "serve": "server"}

__all__ = ["App", "Policy", "Settings", "app", "serve"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{home}")
    except ModuleNotFoundError as error:
        if error.name in {"panel", "hvplot", "holoviews", "bokeh", "urllib3"}:
            raise MissingDependencyError(str(error.name), extra="app", purpose="The app") from error
        raise
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
