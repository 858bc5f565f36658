"""Every name that a package promises is there when it is asked for, and a wrong one is told with what was meant."""

from __future__ import annotations

import traceback
from importlib import import_module

import pytest

PACKAGES = [
    "vzlab",
    "vzlab.codecs",
    "vzlab.learn",
    "vzlab.parsers",
    "vzlab.storage",
    "vzlab.testing",
    "vzlab.webapp",
    "vzlab.widgets",
    "vzlab.writers",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_listed_is_there(package: str) -> None:
    module = import_module(package)
    assert dir(module) == module.__all__ == sorted(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_a_wrong_name_is_told_with_what_was_meant() -> None:
    with pytest.raises(AttributeError, match=r"'vzlab\.parsers' has no attribute 'HDF5parser'") as caught:
        import_module("vzlab.parsers").HDF5parser  # noqa: B018
    assert "HDF5Parser" in traceback.format_exception_only(caught.value)[0]
