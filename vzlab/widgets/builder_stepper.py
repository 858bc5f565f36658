"""The builder as a stepper in a notebook: one step open at a time, and every click a line of Python."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast

import ipywidgets
import traitlets

from vzlab.builder import STEPS, TITLES, Builder, Fix, Step, call
from vzlab.builder.view import to_markup
from vzlab.errors import StepError
from vzlab.render.html import Markup, callout, card, code_block, details, element, label
from vzlab.widgets.background import BackgroundWork, CancelledError
from vzlab.widgets.builder_calls import (
    ENDED,
    PRE,
    completed,
    do,
    error_html,
    header_of,
    html_of,
    line_of,
    matrix_of,
    result_html,
    step_of,
)
from vzlab.widgets.builder_fields import NotebookFields
from vzlab.widgets.builder_forms import Form, forms
from vzlab.widgets.picture import PictureWidget

_WRAP = {"flex_flow": "row wrap", "width": "100%"}
_BUTTON = {"width": "auto", "max_width": "100%", "height": "auto"}
_LOG_LINES = 200
_SETTLES_WITHIN_S = 0.3


class BuilderStepper(ipywidgets.VBox):  # type: ignore[misc]
    """A `vzlab.Builder` with fields and buttons. Made by `build`.

    `builder` is the state: it can be observed, and set, from Python. `step` is the step that is open.
    """

    builder = traitlets.Instance(Builder)
    step = traitlets.Enum(STEPS, default_value="sources")

    def __init__(self, builder: Builder, *, upload_folder: Path) -> None:
        self._upload_folder = upload_folder
        self._forms = forms(NotebookFields())
        self._log: list[str] = []
        self.work = BackgroundWork(self._on_progress)
        self.headers = {step: _button("", lambda _, step=step: self._open(step)) for step in STEPS}
        self.actions = {
            step: _button(self._forms[step].action, lambda _, step=step: _soon(lambda: self.take(step)))
            for step in STEPS
        }
        self.messages = {step: ipywidgets.HTML() for step in STEPS}
        self.results = {step: ipywidgets.HTML(layout={"width": "100%"}) for step in STEPS}
        self.failed: frozenset[Step] = frozenset()
        """Steps whose error is shown."""
        self.fixes = ipywidgets.VBox()
        self.matrix = ipywidgets.VBox(layout={"width": "100%"})
        self.upload = ipywidgets.FileUpload(description="Upload files", multiple=True, layout=_BUTTON)
        self.upload.observe(self._on_upload, "value")
        self.bodies = {step: self._body(self._forms[step]) for step in STEPS}
        for each in self.headers.values():
            each.layout.align_self = "stretch"
            each.add_class("vzlab-step")
        self.progress = ipywidgets.IntProgress(min=0, max=1, layout={"width": "12em"})
        self.doing = ipywidgets.HTML()
        self.cancel_button = _button("Cancel", lambda _: self.cancel())
        self.running = ipywidgets.HBox(
            [self.progress, self.doing, self.cancel_button], layout={**_WRAP, "display": "none"}
        )
        self.line = ipywidgets.HTML()
        self.done_so_far = ipywidgets.HTML()
        self.program = ipywidgets.HTML()
        self.save_as = ipywidgets.Text(
            description="Save the program as",
            value="build.py",
            style={"description_width": "initial"},
            layout={"width": "100%", "max_width": "30em"},
        )
        self.save_button = _button("Save", lambda _: self.save())
        self.saved = ipywidgets.HTML()
        self._static: Any = None
        steps = [part for step in STEPS for part in (self.headers[step], self.bodies[step])]
        saving = ipywidgets.HBox([self.save_as, self.save_button, self.saved], layout=_WRAP)
        super().__init__(
            [*steps, self.running, self.line, self.program, saving, self.done_so_far],
            builder=builder,
            layout={"width": "100%", "max_width": "60em"},
        )
        self.add_class("vzlab-stepper")
        self._filled_for: Builder | None = None
        self.observe(self._changed, ["step", "builder"])
        self._changed(None)

    # -- what clicks do -------------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        """Take a step as its fields say, and do its work in the background."""
        try:
            method, positional, named = completed(self.builder, self._forms[step].call())
            self._apply(method, positional, named)
        except StepError as error:
            self._fail(error, step)
            return
        if step == "choose":
            self._done("choose", "Chosen.")
        else:
            self._start(step)

    def apply(self, fix: Fix) -> None:
        """Take the step that resolves a finding, and check again."""
        self._apply(fix.method, (), dict(fix.arguments))
        self._start("check")

    def cancel(self) -> None:
        """End what is under way where it next tells of its progress; nothing is left half written."""
        self.doing.value = html_of("Ending ...")
        self.work.cancel()

    def wait(self, timeout_s: float = 60) -> bool:
        """Wait for what is under way, from Python; gives whether it ended in time."""
        return self.work.wait(timeout_s)

    def save(self) -> None:
        """Save the program: as a notebook if the name ends so, else as a script."""
        path = Path(self.save_as.value.strip() or "build.py")
        try:
            written = (
                self.builder.to_notebook(path) if path.suffix == ".ipynb" else self.builder.to_script(path)
            )
        except OSError as error:
            self.saved.value = html_of(f"Not saved: {error}")
            return
        self.saved.value = html_of(f"Saved as {written}")

    def show_static(self) -> None:
        """Put the state under the cell as HTML of its own, which a notebook keeps when its kernel is gone."""
        from IPython.display import HTML, display

        self._static = display(HTML(self._static_html()), display_id=True)  # type: ignore[no-untyped-call]

    # -- inside ---------------------------------------------------------------------------------------------

    def _apply(self, method: str, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        builder = getattr(self.builder, method)(*positional, **named)
        line = line_of(builder, (method, positional, named))
        self.line.value = html_of(label("This click"), code_block(line))
        with self.hold_trait_notifications():
            self._filled_for = builder  # what was typed in other steps, and not taken yet, stays
            self.builder = builder
        self._forms[step_of(method)].show(builder)

    def _start(self, step: Step) -> None:
        builder = self.builder
        self._clear(step)
        self._busy(True)
        self.work.start(
            lambda tell: do(builder, step, tell),
            lambda result, error: self._end(step, result, error),
        )

    def _end(self, step: Step, result: Any, error: BaseException | None) -> None:
        self._busy(False)
        if error is None:
            self._done(step, self._result_html(step, result))
        elif isinstance(error, CancelledError):
            self.messages[step].value = html_of(callout(ENDED, tone="note"))
        else:
            self._fail(error, step)

    def _done(self, step: Step, html: str) -> None:
        self._clear(step)
        self.results[step].value = _within(html) if html else ""
        self._show()

    def _fail(self, error: BaseException, asked: Step) -> None:
        """Show an error at the step that caused it, and open that."""
        step = cast("Step", error.step) if isinstance(error, StepError) else asked
        text = self.builder.scrub(str(error) or type(error).__name__)
        self.messages[step].value = html_of(error_html(text))
        self.failed |= {step}
        if step == "check" and self.builder.kept("report") is not None:
            self._show_fixes()
        self.step = step
        self._show()

    def _clear(self, step: Step) -> None:
        """Take an error away."""
        self.messages[step].value = ""
        self.failed -= {step}

    def _open(self, step: Step) -> None:
        self.step = step

    def _changed(self, _: Any) -> None:
        if self._filled_for is not self.builder:
            self._filled_for = self.builder
            for form in self._forms.values():
                form.show(self.builder)
        self._show()

    def _show(self) -> None:
        """Everything as the state is now."""
        taken = {block.step for block in self.builder.log}
        for step in STEPS:
            is_open = step == self.step
            self.headers[step].description = header_of(step, taken, self.failed)
            self.headers[step].tooltip = "Open" if is_open else "Close the others and open this step"
            self.headers[step].button_style = "info" if is_open else ""
            self.bodies[step].layout.display = None if is_open else "none"
        for step, name in (("look", "inspection"), ("check", "report"), ("combine", "preview"),
                           ("write", "written"), ("prove", "proved")):  # fmt: skip
            if self.builder.kept(name) is None:
                self.results[step].value = ""
        if self.builder.kept("report") is None:
            self.fixes.children = self.matrix.children = ()
        self.program.value = html_of(
            details("The whole program", code_block(self.builder.code()), is_open=False)
        )
        if self._static is not None:
            from IPython.display import HTML

            self._static.update(HTML(self._static_html()))  # type: ignore[no-untyped-call]

    def _static_html(self) -> str:
        return str(card(details("The builder as it was saved", to_markup(self.builder))))

    def _show_fixes(self) -> None:
        """A button for each way to resolve each problem."""
        rows: list[Any] = []
        for finding in self.builder.problems:
            rows.append(ipywidgets.HTML(html_of(element("div", self.builder.scrub(finding.sentence)))))
            buttons = []
            for fix in self.builder.fixes(finding):
                button = _button(fix.label, lambda _, fix=fix: self.apply(fix))
                button.tooltip = fix.code
                buttons.append(button)
            rows.append(ipywidgets.HBox(buttons, layout=_WRAP))
        self.fixes.children = tuple(rows)
        spec = matrix_of(self.builder)
        self.matrix.children = () if spec is None else (PictureWidget(spec=spec),)

    def _result_html(self, step: Step, result: Any) -> str:
        if step == "check":
            self._show_fixes()
        return result_html(self.builder, step, result)

    def _busy(self, is_busy: bool) -> None:
        self.running.layout.display = None if is_busy else "none"
        self.progress.value, self.progress.max = 0, 1
        self.doing.value = ""
        for button in (*self.actions.values(), self.upload, self.save_button):
            button.disabled = is_busy

    def _on_progress(self, text: str, done: int, total: int) -> None:
        said = f"{text}: {done:,} of {total:,}" if total else text
        self.progress.max, self.progress.value = max(total, 1), done
        self.doing.value = html_of(said)
        self._log = [*self._log[-_LOG_LINES:], self.builder.scrub(said)]
        self.done_so_far.value = html_of(
            details("What was done", element("pre", "\n".join(self._log), style=PRE))
        )

    def _on_upload(self, change: Any) -> None:
        files, builder = change["new"], self.builder
        if not files:
            return
        try:
            for file in files:
                builder = builder.upload(file["name"], bytes(file["content"]), self._upload_folder)
        except StepError as error:
            self._fail(error, "sources")
            return
        finally:
            self.upload.value = ()  # its bytes would be saved with the notebook
        paths = builder.chosen_sources.locations[-len(files) :]
        self.line.value = html_of(
            label("This click"), code_block(f"builder = {call('builder.add_sources', *paths)}")
        )
        self.builder = builder
        self._start("sources")

    def _body(self, form: Form) -> Any:
        parts = [*form.fields.values()]
        if form.step == "sources":
            parts.append(self.upload)
        parts += [self.actions[form.step], self.messages[form.step]]
        if form.step == "check":
            parts += [self.fixes, self.matrix]
        following = STEPS[STEPS.index(form.step) + 1 :]
        parts.append(self.results[form.step])
        if following:
            parts.append(_button(f"Next: {TITLES[following[0]]}", lambda _: self._open(following[0])))
        return ipywidgets.VBox(parts, layout={"width": "100%", "padding": "0 2px 1em 1em"})


def _soon(work: Callable[[], None]) -> None:
    """Let what was typed just before a click arrive first: a field tells its value when it is left, by a message of its own."""
    shell = sys.modules.get("IPython")
    kernel = getattr(shell.get_ipython(), "kernel", None) if shell is not None else None
    if kernel is None:  # no browser is there that could send any
        work()
    else:
        asyncio.get_running_loop().call_later(_SETTLES_WITHIN_S, work)


def _within(html: str) -> str:
    """As wide as the step is: what is wider scrolls in its own box, and does not widen the step."""
    return str(element("div", Markup(html), style="width:0;min-width:100%"))


def _button(description: str, on_click: Any) -> Any:
    button = ipywidgets.Button(description=description, layout=_BUTTON)
    button.style.text_align = "left"
    button.on_click(on_click)
    return button


def build(
    *locations: str | Path | Collection[str | Path] | Builder,
    storage_options: dict[str, Any] | None = None,
    upload_folder: str | Path = "uploads",
) -> BuilderStepper:
    """Build a virtual dataset step by step, with fields and buttons.

    Parameters
    ----------
    *locations : str, path, or collections of them
        Sources to begin with; or one `Builder` to go on with.
    storage_options : dict, optional
        For them.
    upload_folder : path
        Where uploaded files are saved.

    Returns
    -------
    BuilderStepper
        A widget. Its ``builder`` is the state, which is a program.

    Examples
    --------
    >>> import vzlab as vz
    >>> stepper = vz.build(["archive/sst_2025-01-01.nc", "archive/sst_2025-01-02.nc"])
    >>> stepper.builder.problems
    ()
    """
    if len(locations) == 1 and isinstance(locations[0], Builder):
        builder = locations[0]
    else:
        given: Any = locations
        builder = Builder().sources(*given, storage_options=storage_options) if given else Builder()
    stepper = BuilderStepper(builder, upload_folder=Path(upload_folder))
    shell = sys.modules.get("IPython")
    if shell is not None and shell.get_ipython() is not None:
        stepper.show_static()
    return stepper
