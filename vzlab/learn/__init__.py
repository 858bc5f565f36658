"""The course: exercises that check themselves, a cloud on this machine, folders to work in, and a look at what works here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vzlab.learn.checking import check, hint
from vzlab.learn.folders import fresh_folder

if TYPE_CHECKING:
    from vzlab.learn.cloud import LocalCloud, RequestTable, local_s3
    from vzlab.learn.commands import terminal
    from vzlab.learn.exercise import Exercise, Verdict
    from vzlab.learn.health import Health, Trial, doctor

# What a lesson need not wait for unless it uses it.
_HOMES = {
    "Exercise": "vzlab.learn.exercise",
    "Health": "vzlab.learn.health",
    "LocalCloud": "vzlab.learn.cloud",
    "RequestTable": "vzlab.learn.cloud",
    "Trial": "vzlab.learn.health",
    "Verdict": "vzlab.learn.exercise",
    "doctor": "vzlab.learn.health",
    "local_s3": "vzlab.learn.cloud",
    "terminal": "vzlab.learn.commands",
}

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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vzlab.learn' has no attribute {name!r}")
