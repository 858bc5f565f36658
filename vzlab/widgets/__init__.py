"""Views and steps in a notebook, made of widgets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vzlab.widgets.builder_stepper import BuilderStepper, build
    from vzlab.widgets.explorer import Explorer
    from vzlab.widgets.explorer_widget import ExplorerWidget, explore

_HOMES = {
    "BuilderStepper": "builder_stepper",
    "Explorer": "explorer",
    "ExplorerWidget": "explorer_widget",
    "build": "builder_stepper",
    "explore": "explorer_widget",
}

__all__ = ["BuilderStepper", "Explorer", "ExplorerWidget", "build", "explore"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
