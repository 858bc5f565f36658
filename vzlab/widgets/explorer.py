"""The explorer without its looks: what is seen, chosen and asked for, as traits that can be observed and set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from vzlab.errors import first_line
from vzlab.inspection import Cost, Inspection, Trace, trace
from vzlab.render.trace import to_html as trace_html
from vzlab.widgets.background import BackgroundWork
from vzlab.widgets.explore_code import explore_code
from vzlab.widgets.explore_detail import chunk_after, chunk_at, cost_of, detail, value_slices
from vzlab.widgets.explore_pages import (
    COLOURS,
    chunks_view,
    colours,
    dim_names,
    drawable,
    finer_level,
    first_variable,
    outline,
    sliders,
    variable_page,
)
from vzlab.widgets.explored import Explored, at_version

_SOON_S = 0.2
"""What ends within this time is waited for: a thread that told its result is there for some moments more."""


class Explorer(traitlets.HasTraits):
    """What an explorer shows and was told; a notebook's widget and the app's component are views of one.

    All traits that are tagged ``sync`` go to the view; it sets `variable`, `colour`, `slices`, `selection`, `version` and
    `request`.

    Parameters
    ----------
    explored : Explored
    variable : str, optional
        Path of the variable to begin with; the largest one with several chunks if not given.
    colour : {"ratio", "size", "offset", "file", "state", "outliers"}, optional
        What the colours of its chunk map say; what varies if not given.
    slices : mapping of str to int, optional
        By dimension that is not drawn: the chunk to look at along it.
    drawn : pair of str, optional
        Dimensions that the chunk map has down and across; the most telling ones if not given.
    selection : sequence of pairs of int, optional
        Selected chunks: the first along each dimension, and one behind the last.
    """

    variable = traitlets.Unicode(help="Path of the variable that is shown.").tag(sync=True)
    colour = traitlets.Enum(COLOURS, default_value=COLOURS[0], help="What colours say.").tag(sync=True)
    slices = traitlets.Dict(help="By dimension that is not drawn: the chunk that is seen along it.").tag(
        sync=True
    )
    drawn = traitlets.List(
        traitlets.Unicode(), help="Dimensions down and across; the most telling ones if empty."
    ).tag(sync=True)
    selection = traitlets.Instance(
        dict,
        allow_none=True,
        help="``variable`` and ``chunks``: along each dimension the first selected, and one behind the last.",
    ).tag(sync=True)  # fmt: skip
    version = traitlets.Unicode(help="Branch, tag or snapshot of a versioned store.").tag(sync=True)

    outline = traitlets.Dict(help="Title, tree, findings and versions, as the view draws them.").tag(
        sync=True
    )
    spec = traitlets.Dict(help="The variable's page, as the view draws it.").tag(sync=True)
    detail = traitlets.Instance(dict, allow_none=True, help="What is told of the selection.").tag(sync=True)
    code = traitlets.Unicode(help="Python of what is seen.").tag(sync=True)
    busy = traitlets.Unicode(help="What is under way, or what went wrong.").tag(sync=True)

    request = traitlets.Dict(help="A question of the view: ``id``, ``do`` and what that needs.").tag(
        sync=True
    )
    answer = traitlets.Dict(help="Its answer, with the same ``id``; ``error`` says why there is none.").tag(
        sync=True
    )

    def __init__(
        self,
        *,
        explored: Explored,
        variable: str | None = None,
        colour: str | None = None,
        slices: Mapping[str, int] | None = None,
        drawn: Sequence[str] | None = None,
        selection: Sequence[Sequence[int]] | None = None,
        **more: Any,
    ) -> None:
        self._explored = explored
        self._history = explored.inspection.history
        self._traced: Trace | None = None
        self._background = BackgroundWork(lambda *_: None)
        self._is_showing = False
        super().__init__(**more)
        self.set_trait("version", explored.version)
        self._show_outline()
        self._open(variable or first_variable(explored.inspection), colour=colour, slices=slices, drawn=drawn)
        if selection is not None:
            self.select(*selection)
        self.observe(lambda change: self._open(change["new"]), "variable")
        self.observe(lambda _: self._write_code(), "colour")
        self.observe(self._on_slices, "slices")
        self.observe(self._on_drawn, "drawn")
        self.observe(self._on_selection, "selection")
        self.observe(self._on_version, "version")
        self.observe(self._on_request, "request")

    # -- what may be asked from Python ----------------------------------------------------------------------

    @property
    def inspection(self) -> Inspection:
        """What is explored."""
        return self._explored.inspection

    @property
    def traced(self) -> Trace | None:
        """The value that was followed last, of this variable."""
        return self._traced

    @property
    def cost(self) -> Cost | None:
        """What reading the selection takes; None without one, or of what is no reference."""
        chosen = self._chosen()
        return None if chosen is None else cost_of(self._explored, self.variable, chosen)

    def select(self, *chunks: Sequence[int] | int) -> None:
        """Select chunks of the variable.

        Parameters
        ----------
        *chunks : int or pair of int
            Along each dimension one chunk, or the first and one behind the last. Nothing ends the selection.

        Raises
        ------
        traitlets.TraitError
            If they are not in the grid.
        """
        ranges = [list(part) if isinstance(part, Sequence) else [part, part + 1] for part in chunks]
        is_scalar = not self.inspection[self.variable].shape
        self.selection = {"variable": self.variable, "chunks": ranges} if chunks or is_scalar else None

    def trace(self, *index: int) -> Trace:
        """Follow a value of the variable from its bytes to its number, as `vzlab.trace` does.

        Parameters
        ----------
        *index : int
            Along each dimension; a value in the middle of the selection if not given.
        """
        found = self._trace(self.variable, index or self._middle_value())
        self._traced = found
        self._write_code()
        return found

    def wait(self, timeout_s: float = 60) -> bool:
        """Wait for what is under way; gives whether it ended in time."""
        return self._background.wait(timeout_s)

    # -- what may be set ----------------------------------------------------------------------------------------

    @traitlets.validate("variable")
    def _check_variable(self, proposal: Any) -> str:
        path = str(proposal["value"]).strip("/")
        if path not in self.inspection.variables:
            known = ", ".join(list(self.inspection.variables)[:20])
            raise traitlets.TraitError(f"Found variable={path!r}; expected one of {known}")
        return path

    @traitlets.validate("slices")
    def _check_slices(self, proposal: Any) -> dict[str, int]:
        given = dict(proposal["value"])
        known = {each["dim"]: each["n"] for each in sliders(self._explored, self.variable, self.drawn)}
        for dim, place in given.items():
            if dim not in known or not 0 <= place < known[dim]:
                expected = (
                    ", ".join(f"{name} 0 to {n - 1}" for name, n in known.items())
                    or "none: no dimension is folded"
                )
                raise traitlets.TraitError(
                    f"Found slices={given!r}; expected a chunk along each of {expected}"
                )
        return given

    @traitlets.validate("drawn")
    def _check_drawn(self, proposal: Any) -> list[str]:
        given = list(proposal["value"])
        known = drawable(self._explored, self.variable)
        if given and (len(set(given)) != 2 or len(given) != 2 or not set(given) <= set(known)):
            expected = (
                f"two of {', '.join(known)}" if known else "none: there are no more than two to be drawn"
            )
            raise traitlets.TraitError(f"Found drawn={given!r}; expected {expected}")
        return given

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> dict[str, Any] | None:
        given = proposal["value"]
        if given is None:
            return None
        grid = self.inspection[self.variable].chunking.grid_shape
        chunks = [[int(start), int(stop)] for start, stop in given.get("chunks", ())]
        path = given.get("variable", self.variable)
        fits = len(chunks) == len(grid) and all(
            0 <= start < stop <= n for (start, stop), n in zip(chunks, grid, strict=True)
        )
        if path != self.variable or not fits:
            raise traitlets.TraitError(
                f"Found a selection of {path!r}, chunks {chunks}; expected of {self.variable!r} a first chunk and one behind "
                f"the last along each dimension of its grid {grid}"
            )
        return {"variable": path, "chunks": chunks}

    @traitlets.validate("version")
    def _check_version(self, proposal: Any) -> str:
        wanted, history = str(proposal["value"]), self._history
        known = (
            [] if history is None else [*history.branches, *history.tags, *(c.id for c in history.commits)]
        )
        if wanted and wanted not in known and wanted != self._explored.version:
            listed = ", ".join(known[:10]) or "none: it has no versions"
            raise traitlets.TraitError(
                f"Found version={wanted!r}; expected a branch, a tag or a snapshot: {listed}"
            )
        return wanted

    # -- what follows from it -----------------------------------------------------------------------------------

    def _show_outline(self) -> None:
        self.outline = outline(self._explored, self._history)

    def _open(
        self,
        path: str,
        *,
        colour: str | None = None,
        slices: Mapping[str, int] | None = None,
        drawn: Sequence[str] | None = None,
    ) -> None:
        """Show a variable: nothing of another's selection stays."""
        self._is_showing = True
        try:
            self._traced = None
            self.variable = path
            self.selection = self.detail = None
            self.slices = {}
            self.drawn = list(drawn or ())
            self.slices = dict(slices or {})
            self.colour = colour or colours(self.inspection[self.variable])[0]
            self.spec = variable_page(self._explored, self.variable, self.slices, self.drawn)
        finally:
            self._is_showing = False
        self._write_code()

    def _on_slices(self, _: Any) -> None:
        if self._is_showing:
            return
        self._draw()
        if chosen := self._chosen():
            # The selection goes along: the same place of another slice.
            names = dim_names(self.inspection[self.variable])
            place = self.slices
            moved = [
                [place[dim], place[dim] + 1] if dim in place else part
                for dim, part in zip(names, chosen, strict=True)
            ]
            self.selection = {"variable": self.variable, "chunks": moved}
        self._write_code()

    def _on_drawn(self, _: Any) -> None:
        if self._is_showing:
            return
        self._is_showing = True
        try:  # along a dimension that is drawn, no place is chosen
            self.slices = {dim: place for dim, place in self.slices.items() if dim not in self.drawn}
        finally:
            self._is_showing = False
        self._draw()
        self._write_code()

    def _draw(self) -> None:
        """Draw the chunk map anew, and nothing else of the page."""
        chunks = chunks_view(self._explored, self.variable, self.slices, self.drawn)
        self.spec = {
            **self.spec,
            "sliders": sliders(self._explored, self.variable, self.drawn),
            "views": {**self.spec["views"], "chunks": chunks},
        }

    def _on_selection(self, _: Any) -> None:
        if self._is_showing:
            return
        chosen = self._chosen()
        self.detail = None if chosen is None else detail(self._explored, self.variable, chosen)
        self._traced = None
        self._write_code()

    def _on_version(self, change: Any) -> None:
        wanted = change["new"]
        if wanted == self._explored.version:
            return
        given = self._explored
        if not self._background.wait(_SOON_S):
            self.version = given.version
            self.busy = "Something is being read: ask again when it is done"
            return
        self.busy = f"Opening {wanted} …"

        def opened(found: Any, error: BaseException | None) -> None:
            if error is not None:
                self.busy = given.scrub(first_line(error))
                self.version = given.version
                return
            self._explored = found
            self._show_outline()
            path = (
                self.variable
                if self.variable in found.inspection.variables
                else first_variable(found.inspection)
            )
            self._open(path)
            self.busy = ""

        self._in_background(lambda _: at_version(given, wanted, self._history), opened)

    # -- questions of the view ------------------------------------------------------------------------------

    def _on_request(self, change: Any) -> None:
        asked = change["new"]
        if not asked:
            return
        try:
            answer = self._answer(asked)
        except Exception as error:  # noqa: BLE001 - told where it was asked
            answer = {"error": self._said(error)}
        if answer is not None:
            self.answer = {"id": asked.get("id"), **answer}

    def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer; None where it comes later."""
        match asked.get("do"):
            case "level":
                (top, bottom), (left, right) = asked["region"]
                region = ((int(top), int(bottom)), (int(left), int(right)))
                return {"level": finer_level(self._explored, self.variable, self.slices, region, self.drawn)}
            case "byte":
                return self._found(
                    chunk_at(self._explored, self.variable, int(asked["row"]), float(asked["at"]))
                )
            case "step":
                return self._found(
                    chunk_after(self._explored, self.variable, self._chosen(), int(asked["by"]))
                )
            case "trace":
                self._trace_later(asked)
                return None
        raise ValueError(f"Found the request {asked.get('do')!r}; expected level, byte, step or trace")

    def _found(self, chunks: list[list[int]] | None) -> dict[str, Any]:
        if chunks is None:
            return {"error": f"No chunk of {self.variable} lies there."}
        return {"chunks": chunks}

    def _trace_later(self, asked: Mapping[str, Any]) -> None:
        """Follow a value without holding up the kernel: its chunk may be far away."""
        path, index = self.variable, tuple(int(at) for at in asked["index"])

        def done(found: Any, error: BaseException | None) -> None:
            if error is not None:
                self.answer = {"id": asked.get("id"), "error": self._said(error)}
                return
            if path == self.variable:
                self._traced = found
                self._write_code()
            self.answer = {
                "id": asked.get("id"),
                "html": self._explored.scrub(str(trace_html(found, upgrade=False))),
            }

        self._in_background(lambda _: self._trace(path, index), done)

    def _in_background(self, work: Any, done: Any) -> None:
        if not self._background.wait(_SOON_S):
            raise RuntimeError("Something is being read: ask again when it is done")
        self._background.start(work, done)

    def _trace(self, path: str, index: Sequence[int]) -> Trace:
        explored = self._explored
        return trace(explored.traced, path, index, group=explored.group, registry=explored.registry)

    def _said(self, error: BaseException) -> str:
        return self._explored.scrub(first_line(error) or type(error).__name__)

    def _chosen(self) -> list[list[int]] | None:
        """The selected chunks."""
        chosen: dict[str, Any] | None = self.selection
        return None if chosen is None else list(chosen["chunks"])

    def _middle_value(self) -> tuple[int, ...]:
        resolved, chosen = self._explored.array(self.variable), self._chosen()
        if resolved is None or chosen is None:
            return tuple(n // 2 for n in self.inspection[self.variable].shape)
        return tuple((part.start + part.stop) // 2 for part in value_slices(resolved, chosen))

    def _write_code(self) -> None:
        self.code = explore_code(
            self._explored,
            self.variable,
            colour=self.colour,
            slices=self.slices,
            drawn=self.drawn,
            chunks=self._chosen(),
            index=None if self._traced is None else self._traced.index,
        )
