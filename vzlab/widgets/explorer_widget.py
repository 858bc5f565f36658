"""The explorer in a notebook: its traits as a widget, and beside it HTML that a saved notebook keeps."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget

from vzlab.widgets.core import ESM
from vzlab.widgets.explore_export import to_page
from vzlab.widgets.explored import open_explored
from vzlab.widgets.explorer import Explorer


class ExplorerWidget(anywidget.AnyWidget, Explorer):
    """An explorer that is seen. Made by `explore`.

    What is seen can be observed and set from Python: `variable`, `colour`, `slices`, `selection`, `version`. `cost` is that
    of the selection, `traced` the value that was followed last, `code` Python of all of it.
    """

    _esm = ESM

    def to_html(self, path: str | Path) -> Path:
        """Write a page that stands alone, to be opened from disk, and give its path.

        It holds the maps of all variables as far as there is room, and of variables of few chunks each chunk. What needs
        Python, such as following a value, it gives as code.
        """
        target = Path(path)
        target.write_text(to_page(self._explored, self.variable), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return f"<explorer of {self.inspection.title}: {self.variable}>"


def explore(
    x: Any,
    variable: str | None = None,
    *,
    colour: str | None = None,
    slices: Mapping[str, int] | None = None,
    selection: Sequence[Sequence[int]] | None = None,
    version: str = "",
    group: str | None = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> ExplorerWidget:
    """Look around in anything with fields, maps and a tree.

    What `vzlab.inspect` shows of it is emitted as an output of its own: a notebook that is opened without a kernel shows
    that in place of the widget.

    Parameters
    ----------
    x, group, registry, storage_options
        As `vzlab.inspect` takes them.
    variable, colour, slices, selection
        What to begin with; see `vzlab.widgets.explorer.Explorer`.
    version : str
        Of an Icechunk repository: a branch, a tag or a snapshot; its main branch if empty.

    Returns
    -------
    ExplorerWidget
        A widget. ``.to_html(path)`` writes a page that stands alone.

    Raises
    ------
    TypeError
        If it is nothing that can be inspected.
    ValueError
        If it has no variable, or no versions and one was asked for.

    Examples
    --------
    >>> widget = explore("archive/sst_2025-01-01.nc", "sst")
    >>> widget.select(0, 1, 2)
    >>> widget.cost.n_requests
    1
    """
    explored = open_explored(
        x, group=group, registry=registry, storage_options=storage_options, version=version
    )
    widget = ExplorerWidget(
        explored=explored, variable=variable, colour=colour, slices=slices, selection=selection
    )
    shell = sys.modules.get("IPython")
    if shell is not None and shell.get_ipython() is not None:
        _show_static(widget)
    return widget


def _show_static(widget: ExplorerWidget) -> None:
    """Put the inspection under the cell as HTML of its own, folded: above a live widget it is there to be saved."""
    from IPython.display import HTML, display

    from vzlab.render.html import Markup, card, details, dim, strong

    title = (strong("What vz.inspect says"), " ", dim("kept when the kernel is gone"))
    static = card(details(title, Markup(widget.inspection._repr_html_())))
    display(HTML(str(static)))  # type: ignore[no-untyped-call]
