"""Which result a builder's step has, and what must be there before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vzlab.builder import work
from vzlab.builder.choices import Step
from vzlab.errors import StepError
from vzlab.telling import tell

if TYPE_CHECKING:
    from vzlab.builder.builder import Builder


def run(builder: Builder, step: Step) -> Any:
    """Do one step, and what it needs before. See `Builder.run`."""
    if step == "sources":
        return builder.files
    if step == "look":
        return builder.inspection
    if step == "check":
        files = _opened(builder)
        tell("Compare files")
        return builder.remember("report", lambda: work.report_of(builder, files))
    if step in ("choose", "combine"):
        combined = cube(builder)
        return builder.remember("preview", lambda: work.previewed(builder, combined))
    if builder.target.to is None:
        raise StepError("It is not said where to write to: take the step write(...) first", step="write")
    if step == "write":
        if (written := builder.kept("written")) is not None:
            return written
        combined = cube(builder)
        tell("Write references")
        return builder.remember("written", lambda: work.write(builder, combined))
    if builder.proof is None:
        raise StepError("It is not said what to prove: take the step prove() first", step="prove")
    run(builder, "write")
    return builder.remember("proved", lambda: work.prove(builder))[1]


def cube(builder: Builder) -> Any:
    """The files as one dataset or tree."""
    files = _opened(builder)
    tell("Combine")
    try:
        return builder.remember("cube", lambda: work.cube_of(builder, files))
    except StepError as error:
        if (
            error.step == "check"
        ):  # its report is shown with it, and is made here, where it is told of and can be ended
            builder.remember("report", lambda: work.report_of(builder, files))
        raise


def _opened(builder: Builder) -> list[Any]:
    """Every file as references; only those that are not open yet are opened."""
    known = dict(builder.kept("opened") or {})
    files = builder.files
    if not known.keys() >= set(files):
        try:
            work.open_files(builder, known)
        finally:
            builder.keep("opened", known)
    return [known[url] for url in files]
