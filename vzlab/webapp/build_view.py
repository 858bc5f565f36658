"""The view of the builder: one step open at a time, from sources to receipt, and every click a line of Python."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import panel as pn

from vzlab.builder import STEPS, TITLES, Builder, Fix, Step
from vzlab.builder.secrets import reveal
from vzlab.errors import StepError, VzlabError
from vzlab.render.html import callout, code_block, details, element, label
from vzlab.storage import StoreRegistry
from vzlab.webapp.explorer_component import picture
from vzlab.webapp.fields import PanelFields, button
from vzlab.webapp.style import column, html, row, styled
from vzlab.webapp.view import View
from vzlab.widgets.background import CancelledError
from vzlab.widgets.builder_calls import (
    ENDED,
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
from vzlab.widgets.builder_forms import Call, Form, forms

if TYPE_CHECKING:
    from vzlab.webapp.session import App

MAX_UPLOAD_BYTES = 50 * 2**20
"""Of one file."""
MAX_UPLOADED_BYTES = 200 * 2**20
"""Of all files of a session."""


class BuildView(View):
    """A `vzlab.Builder` with fields and buttons; `builder` is its state."""

    name = "Build"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.builder = Builder()
        self.step: Step = "sources"
        self.forms = forms(PanelFields())
        self.headers = {step: button("", lambda step=step: self.open(step)) for step in STEPS}
        self.actions = {
            step: button(form.action, lambda step=step: self.take(step), primary=True)
            for step, form in self.forms.items()
        }
        self.messages = {step: html(visible=False) for step in STEPS}
        self.results = {step: html() for step in STEPS}
        self.failed: frozenset[Step] = frozenset()
        """Steps whose error is shown."""
        self.fixes = column()
        self.matrix = column()
        self.upload = pn.widgets.FileInput(
            label=f"Upload a file (at most {MAX_UPLOAD_BYTES >> 20} MiB)", multiple=False, **styled(width=300)
        )
        self.upload.param.watch(self._on_upload, "value")
        self.uploaded_bytes = 0
        self.program = html()
        self.bodies = {step: self._body(form) for step, form in self.forms.items()}
        self.downloads = row(
            _download("Download as a script", "build.py", lambda: self._file("to_script", "build.py")),
            _download(
                "Download as a notebook", "build.ipynb", lambda: self._file("to_notebook", "build.ipynb")
            ),
        )
        steps = [part for step in STEPS for part in (self.headers[step], self.bodies[step])]
        self.layout.objects = [self.message, *steps, self.code, self.program, self.downloads]
        self.refresh()

    def show(self) -> None:
        """Begin with what is open, if nothing was begun."""
        field = self.forms["sources"].fields["locations"]
        if not self.builder.chosen_sources.locations and not field.value and self.app.location:
            field.value = self.app.location

    def set(self, builder: Builder) -> None:
        """Go on with a builder."""
        self.builder = builder
        for form in self.forms.values():
            form.show(builder)
        self.refresh()

    def open(self, step: Step) -> None:
        """Open a step, and close the others."""
        self.step = step
        self.refresh()

    def take(self, step: Step) -> None:
        """Take a step as its fields say, and do its work beside the loop."""
        try:
            self._apply(completed(self.builder, self._admitted(self.forms[step].call())))
        except (StepError, VzlabError) as error:
            self._failed(str(error), _step_of(error, step))
            return
        if step == "choose":
            self._done("choose", html_of(callout("Chosen.", tone="good")))
        else:
            self._start(step)

    def apply(self, fix: Fix) -> None:
        """Take the step that resolves a finding, and check again."""
        self._apply((fix.method, (), dict(fix.arguments)))
        self._start("check")

    def refresh(self) -> None:
        """Draw everything as the state is now."""
        taken = {block.step for block in self.builder.log}
        for step in STEPS:
            is_open = step == self.step
            self.headers[step].label = f"{'▾' if is_open else '▸'} {header_of(step, taken, self.failed)}"
            self.bodies[step].visible = is_open
        for step, name in (("look", "inspection"), ("check", "report"), ("combine", "preview"),
                           ("write", "written"), ("prove", "proved")):  # fmt: skip
            if self.builder.kept(name) is None:
                self.results[step].object = ""
        if self.builder.kept("report") is None:
            self.fixes.objects = []
            self.matrix.objects = []
        self.program.object = html_of(details("The whole program", code_block(self.builder.code())))

    # -- inside ---------------------------------------------------------------------------------------------

    def _admitted(self, told: Call) -> Call:
        """A call of which every place may be touched.

        Raises
        ------
        AccessDeniedError
        """
        method, positional, named = told
        self.app.check_options(named.get("storage_options", {}))
        if method == "sources":
            positional = tuple(self.app.admit(location) for location in positional)
        elif method == "write" and positional[0]:
            suffixes = {"json": (".json",), "parquet": (".parquet", ".parq")}.get(named["kind"], ())
            positional = (self.app.admit_target(positional[0], suffixes),)
        elif method == "prove" and "receipt" in named:
            named = {**named, "receipt": self.app.admit_target(named["receipt"], (".html",))}
        return method, positional, named

    def _apply(self, told: Call) -> None:
        method, positional, named = told
        self.builder = getattr(self.builder, method)(*positional, **named)
        self.code.object = html_of(label("This click"), code_block(line_of(self.builder, told)))
        self.code.visible = True
        self.forms[step_of(method)].show(self.builder)
        self.refresh()

    def _start(self, step: Step) -> None:
        builder, app = self.builder, self.app
        self._clear(step)

        def work(registry: StoreRegistry, tell: Callable[[str, int, int], None]) -> Any:
            options = reveal(builder.chosen_sources.storage_options)
            builder.keep("registry", StoreRegistry(storage_options=options, log=registry.log))
            for url in builder.files:  # what a glob found, too
                app.admit(url)
            return do(builder, step, tell)

        app.work.start(
            TITLES[step],
            work,
            lambda result: self._ended(step, result),
            lambda text, error: self._not_done(text, error, step),
        )

    def _not_done(self, text: str, error: BaseException | None, step: Step) -> None:
        if isinstance(error, CancelledError):
            self.messages[step].object = html_of(callout(ENDED, tone="note"))
            self.messages[step].visible = True
            self.refresh()
        else:
            self._failed(text, _step_of(error, step))

    def _ended(self, step: Step, result: Any) -> None:
        if step == "check":
            self._show_fixes()
        self._done(step, result_html(self.builder, step, result))

    def _done(self, step: Step, shown: str) -> None:
        self._clear(step)
        self.results[step].object = shown
        self.refresh()

    def _failed(self, text: str, step: Step) -> None:
        """Show an error at the step that caused it, and open that."""
        text = self.builder.scrub(text)
        self.messages[step].object = html_of(error_html(text))
        self.messages[step].visible = True
        self.failed |= {step}
        if step == "check" and self.builder.kept("report") is not None:
            self._show_fixes()
        self.open(step)

    def _clear(self, step: Step) -> None:
        """Take an error away."""
        self.messages[step].visible = False
        self.failed -= {step}

    def _show_fixes(self) -> None:
        """A button for each way to resolve each problem."""
        parts: list[Any] = []
        for finding in self.builder.problems:
            parts.append(html(html_of(element("div", self.builder.scrub(finding.sentence)))))
            fixes = self.builder.fixes(finding)
            parts.append(row(*(button(fix.label, lambda fix=fix: self.apply(fix)) for fix in fixes)))
        self.fixes.objects = parts
        spec = matrix_of(self.builder)
        self.matrix.objects = [] if spec is None else [picture(spec)]

    def _on_upload(self, _: Any) -> None:
        data, name = self.upload.value, self.upload.filename
        if not data:
            return
        try:
            self._check_upload(str(name), len(data))
            builder = self.builder.upload(str(name), bytes(data), self.app.upload_folder)
        except StepError as error:
            self._failed(str(error), "sources")
            return
        finally:
            self.upload.value = None  # what was saved need not be kept here too
        self.uploaded_bytes += len(data)
        self.set(builder)
        path = builder.chosen_sources.locations[-1]
        self.code.object = html_of(
            label("This click"), code_block(f"builder = builder.add_sources({path!r})")
        )
        self.code.visible = True
        self._start("sources")

    def _check_upload(self, name: str, n_bytes: int) -> None:
        if n_bytes > MAX_UPLOAD_BYTES or self.uploaded_bytes + n_bytes > MAX_UPLOADED_BYTES:
            raise StepError(
                f"{name} has {n_bytes:,} bytes; at most {MAX_UPLOAD_BYTES:,} are taken of one file and {MAX_UPLOADED_BYTES:,} in "
                "all: put it where the app can read it, and name it",
                step="sources",
            )

    def _file(self, how: str, name: str) -> io.BytesIO:
        with tempfile.TemporaryDirectory() as folder:
            written: Path = getattr(self.builder, how)(Path(folder) / name)
            return io.BytesIO(written.read_bytes())

    def _body(self, form: Form) -> pn.Column:
        parts = [*form.fields.values()]
        if form.step == "sources":
            parts.append(self.upload)
        parts += [self.actions[form.step], self.messages[form.step]]
        if form.step == "check":
            parts += [self.fixes, self.matrix]
        parts.append(self.results[form.step])
        if following := STEPS[STEPS.index(form.step) + 1 :]:
            parts.append(button(f"Next: {TITLES[following[0]]}", lambda: self.open(following[0])))
        return column(*parts, visible=False)


def _step_of(error: BaseException | None, asked: Step) -> Step:
    """The step that caused an error."""
    return cast("Step", error.step) if isinstance(error, StepError) else asked


def _download(text: str, name: str, make: Callable[[], io.BytesIO]) -> pn.widgets.FileDownload:
    return pn.widgets.FileDownload(callback=make, filename=name, label=text, **styled())
