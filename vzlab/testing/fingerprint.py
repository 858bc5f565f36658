"""A fingerprint: structure and digests of values, kept to verify a dataset later without its native files.

The form, ``vzlab-fingerprint/1``, is one JSON object:

- ``schema``: its name and version; ``subject``: what it was made of, in words; ``seed``: of the draw, if chunks were drawn.
- ``groups``: attributes of every group by its path; the root's is ``""``. Attributes are as Zarr v3 metadata has them.
- ``variables``: by path, each with ``dims``, ``shape``, ``dtype`` (as numpy writes it), ``attributes``, ``chunk_grid`` (as in
  Zarr v3 metadata: what was digested together, however a later store is cut), ``values`` (``"stored"``, or ``"decoded"``
  where stored values were out of reach), ``chunks`` (null for all; else which, counted in C order), ``n_always`` (how many of
  these were not drawn at random) and ``digests``: those of the chunks in C order, joined, in base64.

A digest is BLAKE2b of 16 bytes over the part of a chunk that lies inside the array, in C order: numbers and times
little-endian, bit for bit, so that NaN payloads and the signs of zeros count; text as UTF-8 without trailing NULs, and all
else as Python writes it, each after its length in 8 bytes little-endian; records field by field.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from vzlab.display import Displayed
from vzlab.errors import CorruptFileError, WriteError
from vzlab.manifests import ChunkGrid
from vzlab.testing.difference import comparable

if TYPE_CHECKING:
    from icechunk import Repository

    from vzlab.testing.comparison import Comparison

SCHEMA = "vzlab-fingerprint/1"
"""Name and version of the form."""
METADATA_KEY = "vzlab.fingerprint"
"""Key in the metadata of a commit."""
MAX_METADATA_BYTES = 2**20
"""Icechunk reads the metadata of all commits when it lists them."""
DIGEST_BYTES = 16
"""Length of a digest."""


@dataclass(frozen=True, kw_only=True)
class VariableFingerprint:
    """What is kept of one variable."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    attributes: Mapping[str, Any]
    chunk_grid: Mapping[str, Any]
    values: Literal["stored", "decoded"]
    chunks: tuple[int, ...] | None
    """Chunks that were digested, counted in C order; None for all."""
    n_always: int
    """How many of these were not drawn at random."""
    digests: bytes
    """Of `DIGEST_BYTES` each, one after the other; in base64 in the JSON form."""

    @property
    def grid(self) -> ChunkGrid:
        """How it is cut into what was digested together."""
        return ChunkGrid.from_zarr(self.shape, dict(self.chunk_grid))

    @property
    def n_chunks(self) -> int:
        """Chunks in all."""
        return self.grid.n_chunks

    @property
    def n_digests(self) -> int:
        """Chunks that were digested."""
        return len(self.digests) // DIGEST_BYTES


@dataclass(frozen=True, kw_only=True, repr=False)
class Fingerprint(Displayed):
    """What is kept of a dataset to verify it later. Made by `fingerprint`; shows itself as HTML or text.

    Examples
    --------
    >>> import vzlab as vz
    >>> _ = vz.fingerprint("archive/sst_2025-01-01.nc").save("sst.fingerprint.json")
    >>> kept = vz.testing.Fingerprint.load("sst.fingerprint.json")
    >>> sorted(kept.variables)
    ['ice', 'lat', 'lon', 'sst', 'time']
    """

    _view: ClassVar[str] = "fingerprint"

    subject: str
    """What it was made of, in words."""
    seed: int
    groups: Mapping[str, Mapping[str, Any]]
    """Attributes by path of a group."""
    variables: Mapping[str, VariableFingerprint]

    @property
    def title(self) -> str:
        """``Fingerprint of Icechunk repository cube``."""
        return f"Fingerprint of {self.subject}"

    @property
    def extent(self) -> str:
        """``5 variables, 221 of 221 chunks``."""
        n = sum(variable.n_digests for variable in self.variables.values())
        of = sum(variable.n_chunks for variable in self.variables.values())
        return f"{len(self.variables):,} variables, {n:,} of {of:,} chunks"

    def verify(self, x: Any, **options: Any) -> Comparison:
        """Compare what something reads now with what was recorded; `options` are those of `vzlab.compare`."""
        from vzlab.testing.fingerprinting import check_fingerprint

        return check_fingerprint(x, self, **options)

    # -- as JSON ----------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "seed": self.seed,
            "groups": {path: dict(attributes) for path, attributes in self.groups.items()},
            "variables": {
                path: {**vars(variable), "digests": base64.b64encode(variable.digests).decode()}
                for path, variable in self.variables.items()
            },
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Out of the form of `to_dict`.

        Raises
        ------
        CorruptFileError
            If it is of another form or version.
        """
        if (found := document.get("schema")) != SCHEMA:
            raise CorruptFileError(f"Found a document of schema {found!r}; expected {SCHEMA!r}")
        try:
            variables = {path: _variable(entry) for path, entry in document["variables"].items()}
            return cls(
                subject=document["subject"],
                seed=document["seed"],
                groups=document["groups"],
                variables=variables,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(f"The fingerprint is not of the form {SCHEMA}: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON, and give its path."""
        target = Path(path)
        target.write_text(json.dumps(self.to_dict(), allow_nan=False))
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        CorruptFileError
            If it is something else.
        """
        try:
            document = json.loads(Path(path).read_text())
        except ValueError as error:
            raise CorruptFileError(
                f"{os.fspath(path)} is no fingerprint: it is not JSON ({error})"
            ) from error
        return cls.from_dict(document if isinstance(document, dict) else {})

    # -- in a repository --------------------------------------------------------------------------------------------

    def to_metadata(self) -> dict[str, Any]:
        """As metadata of an Icechunk commit: ``session.commit(message, metadata=fingerprint.to_metadata())``.

        Raises
        ------
        WriteError
            If it is too large for that.
        """
        document = self.to_dict()
        if (size := len(json.dumps(document))) > MAX_METADATA_BYTES:
            raise WriteError(
                f"The fingerprint takes {size:,} bytes, and metadata of a commit should stay below {MAX_METADATA_BYTES:,}: "
                "draw a sample with fingerprint(x, sample=100), or save it beside the repository"
            )
        return {METADATA_KEY: document}

    def commit_to(self, repository: Repository, *, branch: str = "main") -> str:
        """Write it into the metadata of a commit of its own, and give that commit's id."""
        session = repository.writable_session(branch)
        return str(session.commit("Fingerprint", metadata=self.to_metadata(), allow_empty=True))

    @classmethod
    def of_repository(cls, repository: Repository, *, branch: str = "main") -> Self:
        """The fingerprint of the latest commit that has one.

        Raises
        ------
        KeyError
            If none has.
        """
        for commit in repository.ancestry(branch=branch):
            if METADATA_KEY in commit.metadata:
                return cls.from_dict(commit.metadata[METADATA_KEY])
        raise KeyError(f"No commit of branch {branch!r} has a fingerprint")


def _variable(entry: Mapping[str, Any]) -> VariableFingerprint:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    values["digests"] = base64.b64decode(entry["digests"], validate=True)
    variable = VariableFingerprint(**values)
    expected = variable.n_chunks if variable.chunks is None else len(variable.chunks)
    if len(variable.digests) != expected * DIGEST_BYTES or variable.values not in ("stored", "decoded"):
        raise ValueError(f"{len(variable.digests)} bytes of digests for {expected} chunks")
    if any(not 0 <= flat < variable.n_chunks for flat in variable.chunks or ()):
        raise ValueError(f"chunks outside of the grid of {variable.n_chunks}")
    return variable


# -- digests ----------------------------------------------------------------------------------------------------------


def digest_of(values: npt.NDArray[Any]) -> bytes:
    """The digest of an array's values, as the form says."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    _update(digest, values)
    return digest.digest()


def _update(digest: Any, values: npt.NDArray[Any]) -> None:
    if values.dtype.names is not None:
        for name in values.dtype.names:
            _update(digest, values[name])
    elif values.dtype.kind in "OSUT":
        for item in comparable(values).reshape(-1).tolist():
            text = (item if isinstance(item, str) else repr(item)).encode("utf-8", "surrogateescape")
            digest.update(len(text).to_bytes(8, "little"))
            digest.update(text)
    else:
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest.update(
            np.ascontiguousarray(little).reshape(-1).view(np.uint8).data if math.prod(values.shape) else b""
        )
