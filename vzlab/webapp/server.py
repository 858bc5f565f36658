"""The server: loopback unless told otherwise, behind a token for anything else, and sessions that know nothing of each other."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import panel as pn
import tornado.web
from bokeh.server.auth_provider import AuthProvider

from vzlab.render.html import escape
from vzlab.storage.gate import gated
from vzlab.webapp.build_view import MAX_UPLOAD_BYTES
from vzlab.webapp.library import Library
from vzlab.webapp.policy import Policy
from vzlab.webapp.session import App
from vzlab.webapp.style import html, page

LOOPBACK = "127.0.0.1"
SHORTEST_TOKEN = 16
"""Characters that nobody guesses."""
MAX_SESSIONS = 100
"""Open at once; who comes then is asked to come later."""
SESSION_KEPT_MS = 60_000
"""How long a session lives after its page was closed, so that a lost connection may come back."""
_COOKIE = "vzlab-access"
_COOKIE_DAYS = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the app is served."""

    policy: Policy
    sources: tuple[str, ...] = ()
    """Locations that are offered; the first is opened."""
    address: str = LOOPBACK
    port: int = 5006
    """0 takes a free one."""
    token: str | None = None
    """Asked for before anything is shown; needed where the address is not loopback."""
    origins: tuple[str, ...] = ()
    """Further hosts, as ``host:port``, by which browsers know this server."""

    def __post_init__(self) -> None:
        if not is_loopback(self.address) and self.token is None:
            raise ValueError(
                f"Found the address {self.address} without a token: whoever reaches it could read what may be read here. Give "
                "one of at least 16 characters with --token, or in the environment as VZLAB_TOKEN"
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise ValueError(
                f"Found a token of {len(self.token)} characters; expected at least {SHORTEST_TOKEN}, such as "
                "`python -c 'import secrets; print(secrets.token_urlsafe())'` makes"
            )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@contextmanager
def served(settings: Settings) -> Iterator[Any]:
    """Give a Bokeh server that is not started yet, with its gate set; both are gone when the block ends."""
    folder = tempfile.mkdtemp(prefix="vzlab-uploads-")
    everything = Policy(
        roots=(*settings.policy.roots, os.path.realpath(folder)), prefixes=settings.policy.prefixes
    )
    logging.getLogger("tornado.access").addFilter(_without_query)
    try:
        with gated(everything):
            server = _make(settings, folder)
            try:
                yield server
            finally:
                server.unlisten()
                server.stop()
    finally:
        logging.getLogger("tornado.access").removeFilter(_without_query)
        shutil.rmtree(folder, ignore_errors=True)


def serve(settings: Settings, *, ready: Callable[[str], None] = lambda _: None) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    settings : Settings
    ready : callable
        Told the url once the server listens.
    """
    with served(settings) as server:
        server.start()
        # Loading what draws takes seconds: the first who looks at values need not wait for that.
        threading.Thread(target=import_module, args=("hvplot.xarray",), daemon=True).start()
        ready(url_of(server))
        server.io_loop.start()


def url_of(server: Any) -> str:
    """Where a server is found; the token is no part of it."""
    host = server.address or "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}/"


def _make(settings: Settings, folder: str) -> Any:
    library = Library()
    hosts = [LOOPBACK, "localhost"] if is_loopback(settings.address) else [settings.address]
    sockets = [f"{host}:{settings.port}" for host in hosts] + list(settings.origins)
    n_open = 0

    def session() -> Any:
        nonlocal n_open
        if n_open >= MAX_SESSIONS:
            return page(html("<p>Too many people are here at the moment: come back in a few minutes.</p>"))
        app = App(policy=settings.policy, library=library, offered=settings.sources, uploads=folder)
        n_open += 1

        def ended(_: Any) -> None:
            nonlocal n_open
            n_open -= 1
            app.close()

        pn.state.on_session_destroyed(ended)
        query = dict(pn.state.session_args or {})
        if "url" not in query and settings.sources:
            query = {"url": [settings.sources[0].encode()], **query}
        pn.state.onload(lambda: app.follow(query))
        return page(app)

    options: dict[str, Any] = {}
    if settings.token is not None:
        options["auth_provider"] = _TokenProvider(settings.token)
        options["cookie_secret"] = secrets.token_urlsafe(32)
        options["xsrf_cookies"] = True
    pn.extension()
    server = pn.io.server.get_server(
        {"/": session},
        port=settings.port,
        address=settings.address,
        websocket_origin=sockets,
        start=False,
        show=False,
        verbose=False,
        title="vzlab",
        # A file comes as base64 in one message.
        websocket_max_message_size=MAX_UPLOAD_BYTES * 4 // 3 + 2**20,
        unused_session_lifetime_milliseconds=SESSION_KEPT_MS,
        check_unused_sessions_milliseconds=10_000,
        **options,
    )
    if settings.port == 0:
        server._tornado._websocket_origins |= {f"{host}:{server.port}" for host in hosts}
    return server


class _TokenProvider(AuthProvider):
    """Lets in whoever knows the token: it is asked for in a form, and remembered in a signed cookie."""

    def __init__(self, token: str) -> None:
        self._token = token
        super().__init__()

    @property
    def get_user(self) -> Any:
        return lambda handler: handler.get_secure_cookie(_COOKIE, max_age_days=_COOKIE_DAYS)

    @property
    def get_user_async(self) -> Any:
        return None

    @property
    def login_url(self) -> str:
        return "/login"

    @property
    def get_login_url(self) -> Any:
        return None

    @property
    def login_handler(self) -> Any:
        token = self._token

        class Login(_Login):
            expected = token

        return Login

    @property
    def logout_url(self) -> Any:
        return None

    @property
    def logout_handler(self) -> Any:
        return None


class _Login(tornado.web.RequestHandler):
    """The form that asks for the token."""

    expected = ""

    def get(self) -> None:
        """Show the form."""
        self._form("")

    def post(self) -> None:
        """Let in, or ask again."""
        given = self.get_body_argument("token", "")
        if not hmac.compare_digest(given.encode(), self.expected.encode()):
            self.set_status(403)
            self._form("That is not the token.")
            return
        self.set_secure_cookie(_COOKIE, b"yes", expires_days=_COOKIE_DAYS, httponly=True, samesite="Strict")
        target = self.get_query_argument("next", "/")
        # Nowhere else: neither another host nor a path that a browser takes for one.
        self.redirect(target if target.startswith("/?") or target == "/" else "/")

    def _form(self, message: str) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.write(_LOGIN.format(message=escape(message), xsrf=self.xsrf_form_html()))


_LOGIN = files(__package__).joinpath("login.html").read_text(encoding="utf-8")


def _without_query(record: logging.LogRecord) -> bool:
    """Take queries out of lines of the access log: links have urls in them."""
    record.msg = " ".join(
        part.partition("?")[0] if part.startswith("/") else part for part in record.getMessage().split(" ")
    )
    record.args = ()
    return True


def policy_of(sources: Sequence[str], roots: Sequence[str | Path], allow_urls: Sequence[str]) -> Policy:
    """What an app may touch by what was typed: without a root this is the working directory, and what is named."""
    return Policy.of(roots=roots or [Path.cwd()], allow_urls=allow_urls, sources=sources)
