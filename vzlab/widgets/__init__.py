"""Views and steps in a notebook, made of widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vzlab.lazy import lazy_names

if TYPE_CHECKING:
    from vzlab.widgets.builder_stepper import BuilderStepper, build
    from vzlab.widgets.explorer import Explorer
    from vzlab.widgets.explorer_widget import ExplorerWidget, explore
    from vzlab.widgets.picture import PictureWidget
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "builder_stepper": ("BuilderStepper", "build"),
            "explorer": ("Explorer",),
            "explorer_widget": ("ExplorerWidget", "explore"),
            "picture": ("PictureWidget",),
        },
        extra="viz",
        libraries=("anywidget", "ipywidgets", "traitlets"),
        purpose="A view of widgets",
    )

__all__ = ["BuilderStepper", "Explorer", "ExplorerWidget", "PictureWidget", "build", "explore"]
