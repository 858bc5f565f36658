"""Folders that lessons write to: in the lab's folder where there is one, else temporary."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

LAB_MARKER = ".vzlab-lab"
"""A file in the folder that `vzlab lab` made."""
_MADE_MARKER = ".made-by-a-lesson"


def fresh_folder(name: str) -> Path:
    """Give an empty folder for what a lesson makes.

    In a folder that ``vzlab lab`` made it is ``work/<name>``, so that a learner finds the files; what an earlier run of
    the lesson left there is removed. Elsewhere it is temporary, and removed when Python ends.

    Parameters
    ----------
    name : str
        One word, such as ``01-bytes``.

    Returns
    -------
    pathlib.Path
        Of the folder, which is there and empty.

    Raises
    ------
    ValueError
        If the name is not one part of a path.
    FileExistsError
        If a folder is there that no lesson made.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.learn.fresh_folder("mine").name
    'mine'
    """
    if not name or Path(name).name != name or name in {".", ".."}:
        raise ValueError(f"Folder name {name!r}: expected one part of a path, such as '01-bytes'.")
    here = Path.cwd()
    lab = next((folder for folder in (here, *here.parents) if (folder / LAB_MARKER).is_file()), None)
    if lab is None:
        temporary = Path(tempfile.mkdtemp(prefix="vzlab-")).resolve()
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        folder = temporary / name
    else:
        folder = lab / "work" / name
    if folder.exists():
        if not (folder / _MADE_MARKER).is_file():
            raise FileExistsError(f"{folder} is there, and no lesson made it. Move it, or give another name.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MADE_MARKER).touch()
    return folder
