"""The server: who gets in, and what it says."""

from __future__ import annotations

import http.cookiejar
import logging
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from vzlab.webapp import Policy, Settings
from vzlab.webapp.server import _without_query, is_loopback, policy_of

TOKEN = "a token that nobody guesses"


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.8.8", True), ("0.0.0.0", False), ("10.0.0.1", False),
     ("example.org", False), ("::", False)],
)  # fmt: skip
def test_loopback_is_told(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_any_other_address_needs_a_token_that_is_long() -> None:
    with pytest.raises(ValueError, match="without a token"):
        Settings(policy=Policy(), address="0.0.0.0")
    with pytest.raises(ValueError, match="of 5 characters"):
        Settings(policy=Policy(), address="0.0.0.0", token="short")
    assert Settings(policy=Policy(), address="0.0.0.0", token=TOKEN).token == TOKEN


def test_without_a_root_the_working_directory_is_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    policy = policy_of(["https://host/a.nc", "/elsewhere/b.nc"], [], ["s3://bucket/p"])
    assert policy.roots == (str(tmp_path.resolve()), "/elsewhere/b.nc")
    assert policy.prefixes == ("s3://bucket/p", "https://host/a.nc")
    assert policy_of([], [tmp_path / "x"], []).roots == (str(tmp_path.resolve() / "x"),)


def test_a_page_is_served_with_resources_of_its_own(serving: Callable[[Settings], str]) -> None:
    url = serving(Settings(policy=Policy(), port=0))
    with urllib.request.urlopen(url, timeout=60) as response:
        text = response.read().decode()
    assert "<h1>vzlab</h1>" in text
    asked = re.findall(r"""(?:src|href)=["']([^"']+)""", text)
    assert asked
    assert [each for each in asked if "//" in each] == []


def test_nothing_is_shown_without_the_token(serving: Callable[[Settings], str]) -> None:
    url = serving(Settings(policy=Policy(), port=0, token=TOKEN))
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = opener.open(url, timeout=60)
    assert urllib.parse.urlsplit(page.url).path == "/login"
    form = page.read().decode()
    assert "Bokeh" not in form
    (xsrf,) = re.findall(r'name="_xsrf" value="([^"]+)"', form)

    def enter(token: str, **fields: str) -> str:
        data = urllib.parse.urlencode({"token": token, **fields}).encode()
        response: str = opener.open(f"{url}login", data=data, timeout=60).read().decode()
        return response

    with pytest.raises(urllib.error.HTTPError) as refused:
        enter(TOKEN)  # without what shows that the form was this server's
    assert refused.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as refused:
        enter("another token, as long", _xsrf=xsrf)
    assert refused.value.code == 403
    assert TOKEN not in refused.value.read().decode()
    websocket = urllib.request.Request(
        f"{url}ws", headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": url.rstrip("/")},
    )  # fmt: skip
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(websocket, timeout=60)
    assert "<h1>vzlab</h1>" in enter(TOKEN, _xsrf=xsrf)
    assert all(TOKEN not in str(cookie.value) for cookie in jar)


def test_the_access_log_has_no_queries() -> None:
    record = logging.LogRecord(
        "tornado.access", logging.INFO, "", 0, "%d %s %s (%s) %.2fms",
        (200, "GET", "/?url=https%3A%2F%2Fhost%2Fa%3Fsignature%3Dhush", "127.0.0.1", 1.0), None,
    )  # fmt: skip
    assert _without_query(record)
    assert record.getMessage() == "200 GET / (127.0.0.1) 1.00ms"


def test_the_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from vzlab.cli.shared import app

    monkeypatch.delenv("VZLAB_TOKEN", raising=False)
    told = CliRunner().invoke(app, ["app", "--address", "0.0.0.0", "--no-browser"])
    assert isinstance(told.exception, ValueError)
    assert "without a token" in str(told.exception)
    told = CliRunner().invoke(app, ["app", "--allow-url", "nowhere", "--no-browser"])
    assert "prefix of urls" in str(told.exception)
