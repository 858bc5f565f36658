"""A folder to learn in: copies of notebooks and tutorials, samples, and JupyterLab started there."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vzlab.errors import MissingDependencyError, SourceNotFoundError, WriteError
from vzlab.learn.folders import LAB_MARKER
from vzlab.learn.notebooks import has_solutions, learners_version

_INSTALLED = Path(__file__).with_name("course")
_CHECKOUT = Path(__file__).parents[2]


def course_folder(part: str) -> Path:
    """Where the notebooks or the tutorials are: in the installed package, or beside it in a checkout.

    Raises
    ------
    SourceNotFoundError
        If they are in neither.
    """
    places = (_INSTALLED / part, _CHECKOUT / part)
    for place in places:
        if place.is_dir():
            return place
    raise SourceNotFoundError(
        f"The {part} of the course are not in this installation of vzlab. Install it from its wheel, or run it in a checkout."
    )


def make_lab(folder: Path, *, tell: Callable[[str], None]) -> None:
    """Fill a folder with the course.

    What a learner may have worked on is kept: a notebook that is there already is left as it is.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there. It gets ``notebooks``, with ``solved`` in it, ``tutorials`` and ``archive``.
    tell : callable
        Takes a line of progress.

    Raises
    ------
    WriteError
        If the folder is the one that the course is copied from.
    """
    folder = folder.resolve()
    sources = {part: course_folder(part) for part in ("notebooks", "tutorials")}
    for part, source in sources.items():
        if source == folder / part:
            raise WriteError(
                f"{folder} holds the {part} that would be copied. Choose another folder: vzlab lab DIR"
            )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LAB_MARKER).write_text("Made by `vzlab lab`: lessons write to the folder `work` here.\n")
    kept = [name for part, source in sources.items() for name in _copy(source, folder / part)]
    tell(
        f"Notebooks and tutorials are in {folder}"
        + (f"; kept as they were: {', '.join(kept)}" if kept else "")
    )
    make_samples(folder / "archive", tell=tell)


def _copy(source: Path, target: Path) -> list[str]:
    """Copy a part of the course; give the names of what was there already and was kept."""
    kept: list[str] = []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if not path.is_file() or any(part.startswith(".") for part in name.parts):
            continue
        if path.suffix == ".ipynb" and has_solutions(
            notebook := json.loads(path.read_text(encoding="utf-8"))
        ):
            solved = target / "solved" / name
            solved.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, solved)
            content = json.dumps(learners_version(notebook), indent=1, ensure_ascii=False) + "\n"
        else:
            content = path.read_text(encoding="utf-8")
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_text(content, encoding="utf-8")
        elif place.read_text(encoding="utf-8") != content:
            kept.append(name.as_posix())
    return kept


def make_samples(folder: Path, *, tell: Callable[[str], None]) -> None:
    """Make every sample archive in a folder of its own; one whose library is missing is left out, and told."""
    from vzlab import samples

    for name, make in samples.MAKERS.items():
        try:
            make(folder / name)
        except MissingDependencyError as error:
            tell(f"Left out {name}: {error}")
    tell(f"Samples are in {folder}")


def jupyter_command(folder: Path, *, browser: bool, port: int | None) -> list[str]:
    """The command that serves JupyterLab on this machine alone.

    Raises
    ------
    MissingDependencyError
        If JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingDependencyError("jupyterlab", extra="notebook", purpose="Starting JupyterLab")
    return [
        *(sys.executable, "-m", "jupyterlab"),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder.resolve()}",
        "--LabApp.default_url=/lab/tree/notebooks",
        # Nothing is asked of any network: no news, no newer version, no list of extensions.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
        # In a container one is often root; the server asks for a token all the same.
        *(["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
        *([] if port is None else [f"--ServerApp.port={port}"]),
        *([] if browser else ["--no-browser"]),
    ]


def start(folder: Path, *, browser: bool, port: int | None) -> int:
    """Serve JupyterLab until it ends, and give its exit code."""
    try:
        return subprocess.run(jupyter_command(folder, browser=browser, port=port), check=False).returncode  # noqa: S603 - this interpreter
    except KeyboardInterrupt:
        return 0
