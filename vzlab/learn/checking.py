"""Say to a learner whether an answer is right, and give hints; with ``VZLAB_STRICT=1`` a wrong answer is an error."""

from __future__ import annotations

import os
import sys
from typing import Any

from vzlab.learn.exercise import Verdict, find, verdict

_given: dict[str, int] = {}
"""How many hints were given, by exercise."""


def check(name: str, answer: Any) -> None:
    """Say whether an answer is right, with a hint that is aimed at the mistake if it is not.

    It never raises at a learner. Where the environment says ``VZLAB_STRICT=1``, as in tests, it does.

    Parameters
    ----------
    name : str
        Of the exercise, as the notebook has it: ``"01-offset"``.
    answer
        Anything; ``...`` is no answer yet.

    Raises
    ------
    AssertionError
        With ``VZLAB_STRICT=1``, unless the answer is right.

    Examples
    --------
    >>> check("01-first-byte", 0x78)
    ✓ 01-first-byte: Right. Every zlib stream that uses a window of 32 KiB begins with 0x78.
    """
    found = verdict(name, answer)
    _show(found)
    if os.environ.get("VZLAB_STRICT") == "1" and not found.is_right:
        raise AssertionError(str(found))


def hint(name: str) -> None:
    """Give a hint, and one that says more each time it is asked again.

    Parameters
    ----------
    name : str
        Of the exercise, as in ``vz.learn.check(name, ...)``.

    Examples
    --------
    >>> import vzlab as vz
    >>> vz.learn.hint("01-first-byte")
    … 01-first-byte: Your turn. Hint ...
    """
    exercise = find(name)
    if exercise is None or not exercise.hints:
        says = verdict(name, ...).says if exercise is None else exercise.asks
        _show(Verdict(name=name, is_right=False, is_open=True, says=says))
        return
    number = min(_given.get(name, 0), len(exercise.hints) - 1)
    _given[name] = number + 1
    says = f"Hint {number + 1} of {len(exercise.hints)}: {exercise.hints[number]}"
    _show(Verdict(name=name, is_right=False, is_open=True, says=says))


def _show(said: Verdict) -> None:
    """Display it in a notebook, wherever in its cell the call stands; print it elsewhere."""
    interactive = sys.modules.get("IPython")
    if interactive is not None and interactive.get_ipython() is not None:
        sys.modules["IPython.display"].display(said)
    else:
        sys.stdout.write(f"{said}\n")
