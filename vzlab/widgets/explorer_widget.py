"""The explorer in a notebook: its traits as a widget, and beside it HTML that a saved notebook keeps."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import anywidget

from vzlab.datasets.findings import CompatibilityReport
from vzlab.inspection import Recording
from vzlab.widgets.core import ESM
from vzlab.widgets.explore_export import to_page
from vzlab.widgets.explored import open_explored
from vzlab.widgets.explorer import Explorer
from vzlab.widgets.picture import PictureWidget, picture_spec


class ExplorerWidget(anywidget.AnyWidget, Explorer):
    """An explorer that is seen. Made by `explore`.

    What is seen can be observed and set from Python: `variable`, `colour`, `drawn`, `slices`, `selection`, `version`. `cost`
    is that of the selection, `traced` the value that was followed last, `code` Python of all of it.
    """

    _esm = ESM

    def to_html(self, path: str | Path) -> Path:
        """Write a page that stands alone, to be opened from disk, and give its path.

        It begins with what is seen now. It holds the maps of all variables as far as there is room, and of variables of up
        to 20,000 chunks each chunk, so that sliders and other dimensions work there too. The value that was followed last
        is in it; others need Python, and are given as code.
        """
        target = Path(path)
        seen = {name: getattr(self, name) for name in ("colour", "slices", "drawn", "selection")}
        page = to_page(self._explored, self.variable, seen=seen, traced=self.traced)
        target.write_text(page, encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return f"<explorer of {self.inspection.title}: {self.variable}>"


@overload
def explore(x: CompatibilityReport | Recording) -> PictureWidget: ...
@overload
def explore(
    x: Any,
    variable: str | None = None,
    *,
    colour: str | None = None,
    slices: Mapping[str, int] | None = None,
    drawn: Sequence[str] | None = None,
    selection: Sequence[Sequence[int]] | None = None,
    version: str = "",
    group: str | None = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> ExplorerWidget: ...
def explore(
    x: Any,
    variable: str | None = None,
    *,
    colour: str | None = None,
    slices: Mapping[str, int] | None = None,
    drawn: Sequence[str] | None = None,
    selection: Sequence[Sequence[int]] | None = None,
    version: str = "",
    group: str | None = None,
    registry: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> ExplorerWidget | PictureWidget:
    """Look around in anything with fields, maps and a tree.

    What `vzlab.inspect` shows of it is emitted as an output of its own: a notebook that is opened without a kernel shows
    that in place of the widget.

    Parameters
    ----------
    x, group, registry, storage_options
        As `vzlab.inspect` takes them. Of the report of `vzlab.check_combine` the matrix is shown, of a recording of
        `vzlab.record` its requests; these take nothing else.
    variable, colour, slices, drawn, selection
        What to begin with; see `vzlab.widgets.explorer.Explorer`.
    version : str
        Of an Icechunk repository: a branch, a tag or a snapshot; its main branch if empty.

    Returns
    -------
    ExplorerWidget or PictureWidget
        A widget. ``.to_html(path)`` of an explorer writes a page that stands alone.

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
    if isinstance(x, CompatibilityReport | Recording):
        picture = PictureWidget(spec=picture_spec(x))
        _show_static(x, "The same as a table")
        return picture
    explored = open_explored(
        x, group=group, registry=registry, storage_options=storage_options, version=version
    )
    widget = ExplorerWidget(
        explored=explored, variable=variable, colour=colour, slices=slices, drawn=drawn, selection=selection
    )
    _show_static(widget.inspection, "What vz.inspect says")
    return widget


def _show_static(shown: Any, title: str) -> None:
    """Put the static HTML of something under the cell, folded: above a live widget it is there to be saved."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return
    from IPython.display import HTML, display

    from vzlab.render.html import Markup, card, details, dim, strong

    line = (strong(title), " ", dim("kept when the kernel is gone"))
    static = card(details(line, Markup(shown._repr_html_())))
    display(HTML(str(static)))  # type: ignore[no-untyped-call]
