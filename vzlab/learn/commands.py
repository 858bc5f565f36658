"""Commands of the shell, run where a lesson stands: what ``vzlab ...`` says in a terminal, as the output of a cell."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import entry_points
from io import StringIO
from pathlib import Path


def terminal(command: str, folder: str | Path = ".") -> None:
    """Run a ``vzlab`` command, and print it, what it says, and its exit code where that is not 0.

    It runs in this process, by the function that the shell's command calls: a terminal gives the same text.

    Parameters
    ----------
    command : str
        As in a shell, such as ``vzlab check sst_*.nc``. Quotes are understood; variables and pipes are not.
    folder : path
        Where it is run.

    Raises
    ------
    ValueError
        If it is another command.

    Examples
    --------
    ``vz.learn.terminal("vzlab inspect sst_2025-01-01.nc", archive.folder)``

    >>> import vzlab as vz
    >>> vz.learn.terminal("vzlab cost archive/sst_2025-01-01.nc sst 0,40,80")
    $ vzlab cost archive/sst_2025-01-01.nc sst 0,40,80
    sst[0, 40, 80] ...
    """
    name, *arguments = shlex.split(command) or [""]
    # By its name, since the command line stands above the lessons.
    (found, *_) = entry_points(group="console_scripts", name="vzlab") or [None]
    if name != "vzlab" or found is None:
        raise ValueError(f"{command!r}: expected a command that begins with vzlab, which is installed")
    main, said, code = found.load(), StringIO(), 0
    with chdir(folder), _typed([name, *arguments]), redirect_stdout(said), redirect_stderr(said):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    lines = [f"$ {command}", *said.getvalue().rstrip("\n").splitlines()]
    if code:
        lines.append(f"(exit code {code})")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))


@contextmanager
def _typed(arguments: list[str]) -> Iterator[None]:
    """These arguments, and plain text: kernels ask for colours, whatever text is written to."""
    kept, sys.argv = sys.argv, arguments
    colours = {name: os.environ.pop(name) for name in ("FORCE_COLOR", "CLICOLOR_FORCE") if name in os.environ}
    try:
        yield
    finally:
        sys.argv = kept
        os.environ |= colours
