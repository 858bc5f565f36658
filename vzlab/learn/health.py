"""What is installed, and what works here: each extra is tried on a tiny sample, without a network."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement

from vzlab.errors import first_line
from vzlab.inspection.json_schema import document_schema
from vzlab.inspection.words import format_count, format_list
from vzlab.learn.trials import SLOW, TRIALS
from vzlab.render.html import Cell, Content, Tone, card, dim, heading, mono, table

type Outcome = Literal["works", "fails", "not installed", "not tried"]

SCHEMA = "vzlab-doctor/1"
"""Name and version of the JSON form."""

_TONES: dict[Outcome, Tone] = {"works": "good", "fails": "bad", "not installed": "warn", "not tried": "plain"}
_MARKS: dict[Outcome, str] = {"works": "✓", "fails": "✗", "not installed": "–", "not tried": "?"}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One part of vzlab, and whether it works here."""

    extra: str
    """As in ``pip install 'vzlab[extra]'``; empty for what is always installed."""
    does: str
    """What was tried."""
    libraries: tuple[tuple[str, str | None], ...]
    """Names and versions; None for those that are not installed."""
    outcome: Outcome
    advice: str = ""
    """What to do, where it does not work."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """What is installed, and what works here.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.doctor().works
    True
    """

    title = "vzlab here"
    """Of its page."""
    vzlab: str
    """Version."""
    python: str
    """Version."""
    system: str
    trials: tuple[Trial, ...]

    @property
    def works(self) -> bool:
        """Whether nothing that is installed fails. What is not installed is no fault."""
        return all(trial.outcome != "fails" for trial in self.trials)

    @property
    def summary(self) -> str:
        """One sentence."""
        parts = []
        for outcome in _MARKS:
            names = [trial.extra or "vzlab itself" for trial in self.trials if trial.outcome == outcome]
            if names and outcome != "works":
                parts.append(f"{outcome}: {format_list(names, most=20)}")
        n_works = sum(trial.outcome == "works" for trial in self.trials)
        return "; ".join([f"{n_works} of {format_count(len(self.trials), 'part')} work", *parts]) + "."

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, of which ``schema`` is "vzlab-doctor/1"."""
        return {"schema": SCHEMA, **json.loads(json.dumps(asdict(self))), "works": self.works}

    def __str__(self) -> str:
        lines = [f"{self._heading}\n{self.summary}"]
        for trial in self.trials:
            lines.append(
                f"{_MARKS[trial.outcome]} {trial.extra or 'vzlab itself'}: {trial.does}: {trial.outcome}"
            )
            lines.append(f"    {_libraries(trial)}")
            lines += [f"    {trial.advice}"] if trial.advice else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows: list[list[Content | Cell]] = [
            [
                trial.extra or "vzlab itself",
                Cell(
                    content=f"{_MARKS[trial.outcome]} {trial.outcome}",
                    tone=_TONES[trial.outcome],
                    note=trial.advice,
                ),
                trial.does,
                mono(_libraries(trial)),
            ]
            for trial in self.trials
        ]
        return card(
            heading(self._heading),
            dim(self.summary),
            table(rows, header=["extra", "here", "tried", "libraries"]),
            upgrade=False,
        )

    @property
    def _heading(self) -> str:
        return f"vzlab {self.vzlab} with Python {self.python} on {self.system}"


def health_schema() -> dict[str, Any]:
    """Give the schema of `Health.to_dict`: JSON Schema, draft 2020-12."""
    return document_schema(Health, SCHEMA, {}, ("works",))


def _libraries(trial: Trial) -> str:
    return ", ".join(f"{name} {version or '(not installed)'}" for name, version in trial.libraries)


def doctor(*, full: bool = False) -> Health:
    """Tell what is installed, and try each part on a tiny sample in a temporary folder, without a network.

    Parameters
    ----------
    full : bool
        Try too what takes seconds to start: the app, JupyterLab, a server of S3.

    Returns
    -------
    Health
        It shows itself as text and as HTML, and names no place on this machine.

    Examples
    --------
    >>> import vzlab as vz
    >>> [trial.outcome for trial in vz.doctor().trials if trial.extra == ""]
    ['works']
    """
    required = dict(_required())
    return Health(
        vzlab=importlib.metadata.version("vzlab"),
        python=platform.python_version(),
        system=f"{platform.system()} ({platform.machine()})",
        trials=tuple(_tried(extra, required.get(extra, ()), full=full) for extra in TRIALS),
    )


def _tried(extra: str, names: tuple[str, ...], *, full: bool) -> Trial:
    does, attempt = TRIALS[extra]
    libraries = tuple((name, _version(name)) for name in names)

    def tell(outcome: Outcome, advice: str = "") -> Trial:
        return Trial(extra=extra, does=does, libraries=libraries, outcome=outcome, advice=advice)

    install = f"pip install 'vzlab[{extra}]'" if extra else "pip install vzlab"
    if any(version is None for _, version in libraries):
        return tell("not installed", install)
    if extra in SLOW and not full:
        return tell(
            "not tried", "vzlab doctor, or vz.doctor(full=True), tries it: it takes seconds to start."
        )
    with tempfile.TemporaryDirectory(prefix="vzlab-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            attempt(Path(folder))
        except Exception as error:  # whatever is wrong with a library is what is asked for  # noqa: BLE001
            said = first_line(error).replace(folder, "FOLDER")
            return tell("fails", f"{type(error).__name__}: {said} Try: {install} --upgrade")
    return tell("works")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _required() -> Iterator[tuple[str, tuple[str, ...]]]:
    """What each extra asks for, as the installed metadata says; that of no extra first."""
    requirements = [Requirement(line) for line in importlib.metadata.requires("vzlab") or ()]
    for extra in TRIALS:
        names = [
            name
            for r in requirements
            if r.name != "vzlab" and (_is_for(extra, r) if extra else r.marker is None)
            for name in (r.name, *_of_extras(r))
        ]
        yield extra, tuple(sorted(dict.fromkeys(names), key=str.lower))


def _is_for(extra: str, requirement: Requirement) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _of_extras(requirement: Requirement) -> list[str]:
    """What the extras of another library bring, such as ``zarr[cast-value-rs]``."""
    try:
        lines = importlib.metadata.requires(requirement.name) or ()
    except importlib.metadata.PackageNotFoundError:
        return []
    theirs = [Requirement(line) for line in lines]
    return [r.name for extra in requirement.extras for r in theirs if _is_for(extra, r)]
