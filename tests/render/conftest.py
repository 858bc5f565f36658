"""One browser for all tests of views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.render.browser import launched


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as started:
        yield started
