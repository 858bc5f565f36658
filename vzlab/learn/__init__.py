"""The course: exercises that check themselves, a cloud on this machine, folders to work in, and a look at what works here."""

from vzlab.learn.checking import check, hint
from vzlab.learn.cloud import LocalCloud, RequestTable, local_s3
from vzlab.learn.exercise import Exercise, Verdict
from vzlab.learn.folders import fresh_folder
from vzlab.learn.health import Health, Trial, doctor

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
]
