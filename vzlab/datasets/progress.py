"""Count files on stderr: how many, how fast, how long still, and how many failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vzlab.display import terminal


@contextmanager
def counting(n_files: int, *, shown: bool, label: str = "Opening") -> Iterator[Callable[[int, int], None]]:
    """Give a function to be called with how many more files are done, and how many of these failed.

    A bar is shown where stderr is a terminal.
    """
    console = terminal()
    if not shown or n_files < 2 or console is None:
        yield lambda _n, _failed: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.1f} files/s" if speed else "", style="progress.data.speed")

    class Failed(ProgressColumn):
        def render(self, task: Task) -> Text:
            n = task.fields["failed"]
            return Text(f"{n:,} failed" if n else "", style="red")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        Failed(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=n_files, failed=0)

        def advance(n: int, failed: int) -> None:
            bar.update(task, advance=n, failed=bar.tasks[0].fields["failed"] + failed)

        yield advance
