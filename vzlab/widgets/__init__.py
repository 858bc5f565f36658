"""Views and steps in a notebook, made of widgets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vzlab.widgets.builder_stepper import BuilderStepper, build

_HOMES = {"BuilderStepper": "builder_stepper", "build": "builder_stepper"}

__all__ = ["BuilderStepper", "build"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
