"""The collection of real files: which there are, and what an independent reader found in each."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

CORPUS = Path(os.environ.get("VZLAB_CORPUS") or Path(__file__).parents[2] / "shared" / "data").resolve()
"""Where the collection is: the environment variable VZLAB_CORPUS, or beside the repository."""

SKIP_REASON = "corpus absent"
"""How the reason of every skip for want of the collection begins; the terminal summary counts these."""


def corpus_present() -> bool:
    """Whether the collection of real files is on this machine."""
    return (CORPUS / "INDEX.csv").is_file()


@dataclass(frozen=True, kw_only=True)
class CorpusEntry:
    """One row of INDEX.csv."""

    path: str
    """Relative to the collection, the key of both tables."""
    format: str
    kind: str
    """`file`, or `dir` for a Zarr or Icechunk store."""
    expect: str
    """`native_ok`, or `native_error` when the format's own reader refuses it too."""
    companions: tuple[str, ...]
    """Files that it refers to, relative to its own folder."""
    special: frozenset[str]
    """Features in it, in the collection's own words."""
    note: str
    length_bytes: int

    @property
    def location(self) -> Path:
        """Where it is on this machine."""
        return CORPUS / self.path


@dataclass(frozen=True, kw_only=True)
class ExpectedVariable:
    """What an independent reader gave for one variable: one element of `variables` in EXPECTED.jsonl."""

    name: str
    """HDF5 path, TIFF page, FITS HDU, GRIB message or Zarr path; a root array is `""`."""
    shape: tuple[int, ...] | None
    dtype: str | None
    sha256: str | None
    """Of what `value_hash` hashes; None where the reader gave no values or they were too many."""
    hash_of: str | None
    error: str | None
    note: str | None
    extra: Mapping[str, Any]
    """The remaining keys, such as `min`, `max`, `first`, `level`, `packing`."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What an independent reader found in one entry: one line of EXPECTED.jsonl."""

    path: str
    native_ok: bool
    native_error: str | None
    variables: Mapping[str, ExpectedVariable]

    @property
    def hashes(self) -> dict[str, str]:
        """The hash of each variable that the reader hashed, by name."""
        return {name: v.sha256 for name, v in self.variables.items() if v.sha256 is not None}


@cache
def _index() -> tuple[CorpusEntry, ...]:
    if not corpus_present():
        return ()
    with (CORPUS / "INDEX.csv").open(newline="", encoding="utf-8") as stream:
        return tuple(
            CorpusEntry(
                path=row["path"],
                format=row["format"],
                kind=row["kind"],
                expect=row["expect"],
                companions=tuple(filter(None, row["companions"].split(";"))),
                special=frozenset(row["special"].split()),
                note=row["note"],
                length_bytes=int(row["bytes"]),
            )
            for row in csv.DictReader(stream)
        )


def corpus_entries(formats: Iterable[str] | None = None) -> tuple[CorpusEntry, ...]:
    """Give the entries of these formats (all when None), in the order of the index; none where absent."""
    wanted = None if formats is None else frozenset(formats)
    return tuple(entry for entry in _index() if wanted is None or entry.format in wanted)


def corpus_params(formats: Iterable[str] | None = None, *, with_values: bool = False) -> list[Any]:
    """Give the entries as parameters of a test, with their paths as ids.

    Where the collection is absent this is one parameter that skips with a reason that the summary counts.

    Parameters
    ----------
    formats
        As the column `format` of the index has them; all when None.
    with_values
        Leave out the entries of which the independent reader hashed nothing.
    """
    if not corpus_present():
        absent = pytest.mark.skip(reason=f"{SKIP_REASON}: {CORPUS}")
        return [pytest.param(None, id="corpus-absent", marks=absent)]
    return [
        pytest.param(entry, id=entry.path)
        for entry in corpus_entries(formats)
        if not with_values or expected_values(entry.path).hashes
    ]


def corpus_file(path: str) -> Path:
    """Locate one entry, or skip the test where the collection is absent.

    Raises
    ------
    FileNotFoundError
        The collection is there and holds no such file: the test is wrong.
    """
    if not corpus_present():
        pytest.skip(f"{SKIP_REASON}: {CORPUS}")
    location = CORPUS / path
    if not location.exists():
        raise FileNotFoundError(f"The collection at {CORPUS} holds no {path!r}; see its INDEX.csv")
    return location


@cache
def _expected() -> Mapping[str, Expected]:
    with (CORPUS / "EXPECTED.jsonl").open(encoding="utf-8") as stream:
        return {entry.path: entry for entry in map(_parse_expected, stream)}


def _parse_expected(line: str) -> Expected:
    record = json.loads(line)
    variables = {}
    known = ("name", "shape", "dtype", "sha256", "hash_of", "error", "note")
    for variable in record["variables"]:
        shape = variable.get("shape")
        variables[variable["name"]] = ExpectedVariable(
            name=variable["name"],
            shape=None if shape is None else tuple(shape),
            dtype=variable.get("dtype"),
            sha256=variable.get("sha256"),
            hash_of=variable.get("hash_of"),
            error=variable.get("error"),
            note=variable.get("note"),
            extra={key: value for key, value in variable.items() if key not in known},
        )
    return Expected(
        path=record["path"],
        native_ok=record["native_ok"],
        native_error=record["native_error"],
        variables=variables,
    )


def expected_values(path: str) -> Expected:
    """Give what an independent reader found in the entry with this path, or skip where it is absent."""
    if not corpus_present():
        pytest.skip(f"{SKIP_REASON}: {CORPUS}")
    return _expected()[path]


def value_hash(values: ArrayLike, *, name_of: Callable[[Any], str | None] = str) -> str:
    """Hash values as EXPECTED.jsonl does; equal hashes are equal values, of the same dtype up to byte order.

    Numbers and fixed-length bytes are hashed as their C-order little-endian bytes. Strings and objects as a
    JSON list of the flattened values, the NULs after a string removed, inner arrays as lists. Records field
    by field, whole columns one after another; a column of objects or of records as Python prints its list.

    Parameters
    ----------
    values
        Of any shape; a scalar of numpy or h5py too.
    name_of
        What stands for an object that is neither a string nor a number nor an array: for a reference, the
        path of what it points to (see `h5_name_of`).

    Returns
    -------
    str
        The sha256 in hexadecimal.
    """
    return hashlib.sha256(_hashed_bytes(np.asarray(values), name_of)).hexdigest()


def h5_name_of(file: Any) -> Callable[[Any], str | None]:
    """Give `name_of` for the references in an open `h5py.File`: a null reference is None."""
    import h5py

    def name_of(value: Any) -> str | None:
        if isinstance(value, h5py.Reference) and not isinstance(value, h5py.RegionReference):
            return str(file[value].name) if value else None
        return str(value)

    return name_of


def _hashed_bytes(values: NDArray[Any], name_of: Callable[[Any], str | None]) -> bytes:
    dtype = values.dtype
    if dtype.names is not None:
        return b"".join(_column_bytes(values[name], name_of) for name in dtype.names)
    if dtype.kind in "OUT":
        items = [_json_item(item, name_of) for item in values.ravel().tolist()]
        return json.dumps(items, default=str).encode()
    return values.astype(dtype.newbyteorder("<"), order="C", copy=False).tobytes()


def _column_bytes(column: NDArray[Any], name_of: Callable[[Any], str | None]) -> bytes:
    if column.dtype.hasobject or column.dtype.kind == "V":
        return str(column.tolist()).encode()
    return _hashed_bytes(column, name_of)


def _json_item(item: Any, name_of: Callable[[Any], str | None]) -> Any:
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace").rstrip("\0")
    if isinstance(item, str):
        return item.rstrip("\0")
    if isinstance(item, np.ndarray | np.generic):
        return item.tolist()
    if item is None or isinstance(item, bool | int | float | list):
        return item
    return name_of(item)
