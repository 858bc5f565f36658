"""What does not follow the combined dimension: is it the same in every file, and if not, by how much."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from vzlab.datasets.assemble import is_virtual, manifest_array
from vzlab.datasets.coordinates import show
from vzlab.datasets.findings import Finding, Holders
from vzlab.storage import StoreRegistry, read_array
from vzlab.telling import results_of, told_of

MAX_STATIC_BYTES = 64 * 2**20
"""A variable that does not follow the combined dimension is read to be compared up to this size."""
READ_AT_ONCE = 16
"""Files read at the same time where variables are virtual."""


@dataclass(frozen=True, kw_only=True)
class _Likeness:
    """How one file's values stand to the first file's."""

    how: Literal["equal", "reversed", "differs"]
    digest: str = ""
    """Tells different values apart."""
    distance: float | None = None
    """The largest difference between numbers."""


def check_static(
    name: str,
    files: Sequence[int],
    datasets: Sequence[xr.Dataset],
    names: Sequence[str],
    registry: StoreRegistry,
) -> list[Finding]:
    """Whether a variable that does not follow the combined dimension is the same in these files, bit for bit."""
    variables = [datasets[i]._variables[name] for i in files]
    virtual = any(map(is_virtual, variables))
    if virtual and max(v.nbytes for v in variables) > MAX_STATIC_BYTES:
        return [_too_large(name, variables[0].nbytes)]
    first = _values(variables[0], registry, name)
    text = f"Compare {name}"

    def liken(variable: xr.Variable) -> _Likeness:
        return _likeness(first, variables[0], variable, lambda: _values(variable, registry, name))

    if virtual:
        pool = ThreadPoolExecutor(READ_AT_ONCE)
        try:
            reading = [pool.submit(liken, variable) for variable in variables[1:]]
            likenesses = list(results_of(text, reading))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    else:
        likenesses = [liken(variable) for variable in told_of(text, variables[1:])]
    if all(likeness.how == "equal" for likeness in likenesses):
        return []
    others = list(zip(files[1:], likenesses, strict=True))
    flipped = [i for i, likeness in others if likeness.how == "reversed"]
    odd = [(i, likeness) for i, likeness in others if likeness.how == "differs"]
    same = [files[0], *(i for i, likeness in others if likeness.how == "equal")]
    findings = []
    if flipped:
        findings.append(_flipped(name, variables[0], first, same, flipped, names))
    if odd:
        findings.append(_differs(name, first, same, odd, names))
    return findings


def _likeness(
    first: npt.NDArray[Any],
    first_variable: xr.Variable,
    variable: xr.Variable,
    values: Callable[[], npt.NDArray[Any]],
) -> _Likeness:
    if variable is first_variable:
        return _Likeness(how="equal")
    other = values()
    nan = first.dtype.kind in "fc" and other.dtype.kind in "fc"
    if first.shape == other.shape:
        if np.array_equal(first, other, equal_nan=nan):
            return _Likeness(how="equal")
        if first.ndim == 1 and len(first) > 1 and np.array_equal(first[::-1], other, equal_nan=nan):
            return _Likeness(how="reversed")
    digest = hashlib.blake2b(repr((other.shape, other.dtype)).encode() + _bytes_of(other)).hexdigest()
    return _Likeness(how="differs", digest=digest, distance=_distance(first, other))


def _bytes_of(values: npt.NDArray[Any]) -> bytes:
    return repr(values.tolist()).encode() if values.dtype.kind in "OT" else values.tobytes()


def _values(variable: xr.Variable, registry: StoreRegistry, name: str) -> npt.NDArray[Any]:
    return (
        read_array(manifest_array(variable), registry, name=name)
        if is_virtual(variable)
        else np.asarray(variable.values)
    )


def _distance(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float | None:
    if a.shape != b.shape or a.dtype.kind not in "iufM" or b.dtype.kind not in "iufM" or not a.size:
        return None
    if a.dtype.kind == "M" or b.dtype.kind == "M":
        return None
    both = np.abs(a.astype(float) - b.astype(float))
    finite = both[np.isfinite(both)]
    return float(finite.max()) if finite.size else None


def _differs(
    name: str,
    first: npt.NDArray[Any],
    same: Sequence[int],
    odd: Sequence[tuple[int, _Likeness]],
    names: Sequence[str],
) -> Finding:
    by_digest: dict[str, list[int]] = {}
    distances: dict[str, float | None] = {}
    for i, likeness in odd:
        by_digest.setdefault(likeness.digest, []).append(i)
        distances[likeness.digest] = likeness.distance
    known = [distance for distance in distances.values() if distance is not None]
    by_how_much = f", by up to {max(known):.6g}{_in_steps(first, max(known))}" if known else ""
    odd_one = odd[0][0]
    groups = [Holders.of("as the first file", same)]
    for digest, files in sorted(by_digest.items(), key=lambda item: -len(item[1])):
        distance = distances[digest]
        groups.append(
            Holders.of("differs" if distance is None else f"differs by up to {distance:.6g}", files)
        )
    more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
    return Finding(
        variable=name,
        facet="coordinates",
        kind="static",
        severity="refused",
        sentence=f"{name} differs in {names[odd_one]}{more} although it does not follow the combined dimension{by_how_much}.",
        short="differs",
        holders=tuple(groups),
        fix="# these files lie on another grid: leave them out, or combine each grid for itself\n"
        f'# if the difference means nothing, take the first file\'s {name}: allow=["static"]',
    )


def _in_steps(first: npt.NDArray[Any], distance: float) -> str:
    """The difference in terms of the grid: half a cell is a shifted grid, a billionth of one is rounding."""
    if first.ndim != 1 or len(first) < 2 or first.dtype.kind not in "iuf":
        return ""
    step = float(np.median(np.abs(np.diff(first.astype(float)))))
    return f" ({distance / step:.3g} of its step)" if step > 0 and np.isfinite(step) else ""


def _flipped(
    name: str,
    variable: xr.Variable,
    first: npt.NDArray[Any],
    same: Sequence[int],
    flipped: Sequence[int],
    names: Sequence[str],
) -> Finding:
    ends = show(first[0]), show(first[-1])
    if len(flipped) > len(same):
        same, flipped, ends = flipped, same, ends[::-1]
    more = f" and {len(flipped) - 1} more" if len(flipped) > 1 else ""
    return Finding(
        variable=name,
        facet="coordinates",
        kind="flipped",
        severity="needs re-encoding",
        sentence=f"{name} runs the other way in {names[flipped[0]]}{more}: from {ends[1]} to {ends[0]}, not from {ends[0]} to "
        f"{ends[1]}. Its {variable.dims[0]} would be read upside down; references cannot turn bytes round.",
        short="runs the other way",
        holders=(Holders.of(f"{ends[0]} to {ends[1]}", same), Holders.of(f"{ends[1]} to {ends[0]}", flipped)),
        fix='vz.open_virtual_mfdataset(files, on_mismatch="reencode")    # turns those files round',
        repairs=frozenset({"reencode", "load"}),
    )


def _too_large(name: str, n_bytes: int) -> Finding:
    return Finding(
        variable=name,
        facet="coordinates",
        kind="static",
        severity="refused",
        sentence=f"{name} does not follow the combined dimension and is too large ({n_bytes:,} bytes a file) to be compared by "
        "reading it.",
        fix=f'vz.open_virtual_mfdataset(files, drop_variables=["{name}"])\n# or take the first file\'s: allow=["static"]',
    )
