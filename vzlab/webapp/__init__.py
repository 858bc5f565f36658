"""The application in a browser: a Panel server with explorer, builder, quick looks, comparison, versions and requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vzlab.lazy import lazy_names

if TYPE_CHECKING:
    from vzlab.webapp.policy import Policy
    from vzlab.webapp.server import Settings, serve
    from vzlab.webapp.session import App, app
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {"policy": ("Policy",), "server": ("Settings", "serve"), "session": ("App", "app")},
        extra="app",
        libraries=("bokeh", "holoviews", "hvplot", "panel", "urllib3"),
        purpose="The app",
    )

__all__ = ["App", "Policy", "Settings", "app", "serve"]
