"""Views and steps in a notebook, made of widgets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vzlab.errors import MissingDependencyError

if TYPE_CHECKING:
    from vzlab.widgets.builder_stepper import BuilderStepper, build
    from vzlab.widgets.explorer import Explorer
    from vzlab.widgets.explorer_widget import ExplorerWidget, explore
    from vzlab.widgets.picture import PictureWidget

_HOMES = {
    "BuilderStepper": "builder_stepper",
    "Explorer": "explorer",
    "ExplorerWidget": "explorer_widget",
    "PictureWidget": "picture",
    "build": "builder_stepper",
    "explore": "explorer_widget",
}

__all__ = ["BuilderStepper", "Explorer", "ExplorerWidget", "PictureWidget", "build", "explore"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{home}")
    except ModuleNotFoundError as error:
        if error.name in {"anywidget", "ipywidgets", "traitlets"}:
            raise MissingDependencyError(error.name, extra="viz", purpose="A view of widgets") from error
        raise
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
