"""Kerchunk references as virtual arrays.

Specification: https://fsspec.github.io/kerchunk/spec.html; Parquet as fsspec's ``LazyReferenceMapper`` reads it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vzlab.errors import CorruptFileError
from vzlab.manifests import ManifestGroup
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.kerchunk.json_set import read_document, read_references
from vzlab.parsers.kerchunk.references import References, load_with_zarr, read_group
from vzlab.storage import Source, StoreRegistry, as_registry, normalize_url, url_name

MAX_SETS = 10_000
"""Reference sets that one file may list."""

_IN_MEMORY = "references"


@dataclass(frozen=True, kw_only=True)
class KerchunkParser(Parser):
    """Parse Kerchunk references: JSON, packed JSON, directories of Parquet, or a Python mapping.

    Relative paths in references start at the file that they are in. A list of sets, as some programs write, becomes
    groups called ``"0"``, ``"1"``, ... Files are asked for their length only where a reference is to all of one.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.

    Examples
    --------
    >>> group = KerchunkParser()("one.json")
    >>> group["x"].metadata.shape
    (120, 200)
    """

    def __call__(
        self, url: str | os.PathLike[str] | Mapping[str, Any], registry: Any = None
    ) -> ManifestGroup:
        """Parse a file, a directory of Parquet, or references in memory; see `Parser.__call__`."""
        stores = as_registry(registry)
        if isinstance(url, Mapping):
            return self._group(url, None, stores).without(self.drop_variables)
        location = normalize_url(url)
        if is_parquet(location, stores):
            return self._read(_parquet(location, stores), location, "Parquet").without(self.drop_variables)
        return super().__call__(location, stores)

    _parses_group_alone = True

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        return self._group(read_document(source), source.url, registry)

    def _group(self, content: Any, base: str | None, registry: StoreRegistry) -> ManifestGroup:
        url = base or _IN_MEMORY
        if not isinstance(content, list):
            references = read_references(content, base=base, registry=registry, url=url)
            return self._read(references, url, "JSON")
        if not content or len(content) > MAX_SETS:
            raise CorruptFileError(
                f"{url} lists {len(content):,} sets of references; expected 1 to {MAX_SETS:,}"
            )
        number, _, inner = (self.group or "").partition("/")
        if number:
            if not number.isdecimal() or int(number) >= len(content):
                raise KeyError(f"No group {number!r} in {url}: its sets are 0 to {len(content) - 1}")
            return replace(self, group=inner)._group(content[int(number)], base, registry)
        return ManifestGroup(
            groups={str(i): self._group(each, base, registry) for i, each in enumerate(content)},
            format="Kerchunk references (a list of sets, JSON)",
        )

    def _read(self, references: References, url: str, how: str) -> ManifestGroup:
        return read_group(
            references, group=self.group, drops=self.drops, url=url, format=f"Kerchunk references ({how})"
        )

    def load_variable(
        self, url: str | os.PathLike[str] | Mapping[str, Any], registry: Any, path: str
    ) -> LoadedVariable:
        """Read a variable with zarr-python, which has codecs of Zarr v2 that Zarr v3 lacks."""
        stores = as_registry(registry)
        location = None if isinstance(url, Mapping) else normalize_url(url)
        if location is not None and is_parquet(location, stores):
            return load_with_zarr(_parquet(location, stores), path, location)
        content = url if location is None else read_document(stores.open(location))
        if isinstance(content, list):
            number, _, path = path.partition("/")
            if not number.isdecimal() or int(number) >= len(content):
                raise KeyError(f"No group {number!r} in {location}")
            content = content[int(number)]
        shown = location or _IN_MEMORY
        references = read_references(content, base=location, registry=stores, url=shown)
        return load_with_zarr(references, path, shown)


def is_parquet(url: str, registry: StoreRegistry) -> bool:
    """Whether a url is that of a directory of Parquet references rather than of a file."""
    from vzlab.detection import detect_format

    name = url_name(url).lower()
    if name.endswith((".json", ".json.gz", ".zst", ".zstd", ".gz")):
        return False
    return detect_format(url, registry).key == "kerchunk-parquet"


def _parquet(url: str, registry: StoreRegistry) -> References:
    from vzlab.parsers.kerchunk.parquet import read_parquet

    return read_parquet(url, registry)
