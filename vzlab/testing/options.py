"""Options of comparisons: checked, and as numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from vzlab.display import terminal
from vzlab.telling import tell
from vzlab.testing.comparison import LEVELS
from vzlab.testing.sampling import Sample
from vzlab.testing.virtual_side import VirtualSide

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def as_levels(levels: str | Iterable[str]) -> tuple[str, ...]:
    """Levels in their order, of ``"all"`` or of names."""
    if levels == "all":
        return tuple(LEVELS)
    names = [levels] if isinstance(levels, str) else list(levels)
    if unknown := [name for name in names if name not in LEVELS]:
        raise ValueError(f"Found levels {unknown}; expected 'all' or some of {', '.join(LEVELS)}")
    return tuple(level for level in LEVELS if level in names)


def check_options(sample: Sample, confidence: float, max_bad_fraction: float) -> None:
    """Refuse a sample, a confidence or a fraction that means nothing."""
    if isinstance(sample, str):
        if sample not in {"auto", "each"}:
            raise ValueError(f"Found sample={sample!r}; expected a number, a fraction, 'auto' or 'each'")
    elif sample < 0 or (isinstance(sample, float) and sample > 1):
        raise ValueError(f"Found sample={sample}; expected a count of chunks, or a fraction from 0.0 to 1.0")
    for name, value in (("confidence", confidence), ("max_bad_fraction", max_bad_fraction)):
        if not 0 < value < 1:
            raise ValueError(f"Found {name}={value}; expected a fraction between 0 and 1")


def as_tolerances(tolerance: float | Mapping[str, float] | None, side: VirtualSide) -> dict[str, float]:
    """Tolerance of each variable that has one, by path."""
    given = tolerance if isinstance(tolerance, Mapping) else dict.fromkeys(side.variables, tolerance or 0.0)
    if unknown := sorted(set(given) - set(side.variables)):
        raise ValueError(f"Found tolerances of {unknown}, which are no variables of the virtual side")
    if wrong := [value for value in given.values() if not 0 <= value < math.inf]:
        raise ValueError(f"Found tolerance {wrong[0]}; expected a number from 0, in stored units")
    return {path: float(value) for path, value in given.items() if value}


def in_bytes(limit: int | str) -> int:
    """A number of bytes, of such a number or of a text such as ``"256MB"``."""
    if isinstance(limit, int):
        return limit
    number = limit.rstrip("BKMGibkmg ")
    try:
        return int(float(number) * _UNITS[limit[len(number) :].strip().upper()])
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"Found memory_limit={limit!r}; expected bytes, or a text such as '256MB'"
        ) from error


def as_teller(progress: bool | Callable[[str], None]) -> Callable[[str], None]:
    """What takes the name of each step, and nothing at the end."""
    if callable(progress):
        return lambda line: progress(line) if line else None
    console = terminal() if progress else None
    if console is None:
        return lambda line: tell(line) if line else None
    status = console.status("")

    def show(line: str) -> None:
        if line:
            status.start()
            status.update(line)
        else:
            status.stop()

    return show
