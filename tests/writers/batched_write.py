"""Write a cube in batches, in a process that kills itself at a given point: run by the tests of the ledger."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import icechunk

from tests.writers.stores import virtual_cube
from vzlab.writers import write_icechunk


def kill_at(point: str) -> None:
    """Let this process die before or after the n-th call of something: ``commit:2:after``."""
    name, number, when = point.split(":")
    owner: Any = icechunk.Session if name == "commit" else icechunk.Repository
    real = getattr(owner, name)
    left = [int(number)]

    def deadly(self: Any, *args: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(self, *args, **options)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    where, how, points, *names = sys.argv[1:]
    if points:
        kill_at(points)
    along = None if how == "create" else "time"
    write_icechunk(virtual_cube(list(map(Path, names))), where, append_dim=along, max_references=6)
