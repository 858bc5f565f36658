"""The course: exercises that check themselves, a cloud on this machine, folders to work in, and a look at what works here."""

from typing import TYPE_CHECKING

from vzlab.lazy import lazy_names
from vzlab.learn.checking import check, hint
from vzlab.learn.folders import fresh_folder

if TYPE_CHECKING:
    from vzlab.learn.cloud import LocalCloud, RequestTable, local_s3
    from vzlab.learn.commands import terminal
    from vzlab.learn.exercise import Exercise, Verdict
    from vzlab.learn.health import Health, Trial, doctor
else:
    # What a lesson need not wait for unless it uses it.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "cloud": ("LocalCloud", "RequestTable", "local_s3"),
            "commands": ("terminal",),
            "exercise": ("Exercise", "Verdict"),
            "health": ("Health", "Trial", "doctor"),
        },
    )

__all__ = [
    "Exercise",
    "Health",
    "LocalCloud",
    "RequestTable",
    "Trial",
    "Verdict",
    "check",
    "doctor",
    "fresh_folder",
    "hint",
    "local_s3",
    "terminal",
]
