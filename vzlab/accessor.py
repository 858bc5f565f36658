"""``ds.vzlab``: what an xarray dataset or tree of virtual variables can do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from vzlab.manifests.array import ManifestArray
from vzlab.manifests.tabular import Tabular

if TYPE_CHECKING:
    from vzlab.inspection import Inspection
    from vzlab.manifests import ChunkManifest


class _VirtualAccessor(Tabular):
    """What datasets and trees share."""

    def __init__(self, data: xr.Dataset | xr.DataTree) -> None:
        self._data = data

    def _variables(self) -> Iterator[tuple[str, xr.Variable]]:
        """Every variable with its path."""
        if isinstance(self._data, xr.Dataset):
            nodes = [("", self._data)]
        else:
            nodes = [(node.path.strip("/"), node.to_dataset(inherit=False)) for node in self._data.subtree]
        for path, dataset in nodes:
            for name, variable in dataset.variables.items():
                yield f"{path}/{name}" if path else str(name), variable

    def _manifests(self) -> Iterator[tuple[str, ChunkManifest]]:
        for path, variable in self._variables():
            if isinstance(variable._data, ManifestArray):
                yield path, variable._data.manifest

    def _check_named(self, rename: Mapping[str, str] | Callable[[str], str]) -> None:
        if callable(rename) or not rename:
            return
        urls = {url for _, manifest in self._manifests() for url in manifest.urls}
        if urls and urls.isdisjoint(rename):
            raise ValueError(
                f"Found {next(iter(rename))!r} to rename, which is the url of no file here; expected whole urls, such as "
                f"{min(urls)!r}. For a prefix give a function: rename_urls(lambda url: url.replace(old, new))"
            )

    @property
    def n_refs(self) -> int:
        """Number of references to chunks in files."""
        return sum(manifest.n_virtual for _, manifest in self._manifests())

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the dataset takes: references, inline chunks and loaded variables."""
        loaded = sum(
            variable.nbytes
            for _, variable in self._variables()
            if not isinstance(variable._data, ManifestArray)
        )
        return loaded + sum(manifest.nbytes for _, manifest in self._manifests())

    def inspect(self) -> Inspection:
        """What the dataset is made of; reads nothing.

        Examples
        --------
        >>> import vzlab as vz
        >>> vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.inspect().n_chunks
        18
        """
        from vzlab.inspection import inspect

        return inspect(self._data)

    def to_icechunk(
        self,
        store: Any,
        *,
        group: str | None = None,
        mode: Literal["w-", "w", "a"] | None = None,
        append_dim: str | None = None,
        region: Literal["auto"] | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Write references and loaded variables to an Icechunk repository, session or store.

        See `vzlab.writers.write_icechunk`.

        Examples
        --------
        >>> import vzlab as vz
        >>> written = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_icechunk("cube")
        >>> written.n_virtual, written.n_loaded
        (18, 3)
        """
        from vzlab.writers import write_icechunk

        return write_icechunk(
            self._data, store, group=group, mode=mode, append_dim=append_dim, region=region, **options
        )

    def to_kerchunk(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        format: Literal["json", "parquet", "dict"] = "json",  # noqa: A002
        **options: Any,
    ) -> Any:
        """Write Kerchunk references as JSON or Parquet, or give them as a dictionary.

        See `vzlab.writers.write_kerchunk`.

        Examples
        --------
        >>> import vzlab as vz
        >>> refs = vz.open_virtual_dataset("archive/sst_2025-01-01.nc").vzlab.to_kerchunk(format="dict")["refs"]
        >>> refs["sst/0.1.1"][1:]
        [27695, 1622]
        """
        from vzlab.writers import write_kerchunk

        return write_kerchunk(self._data, path, format=format, **options)


@xr.register_dataset_accessor("vzlab")  # type: ignore[no-untyped-call]
class DatasetAccessor(_VirtualAccessor):
    """``ds.vzlab`` of a dataset."""

    _data: xr.Dataset

    def rename_urls(self, rename: Mapping[str, str] | Callable[[str], str]) -> xr.Dataset:
        """The dataset with its chunks at other urls, by a mapping from whole old urls to new ones or by a function.

        Raises
        ------
        ValueError
            If a mapping names none of the urls.

        Examples
        --------
        >>> import vzlab as vz
        >>> ds = vz.open_virtual_dataset("archive/sst_2025-01-01.nc")
        >>> moved = ds.vzlab.rename_urls(lambda url: "s3://bucket/" + url.rpartition("/")[2])
        >>> moved.sst.variable.data.manifest.urls
        ('s3://bucket/sst_2025-01-01.nc',)
        """
        self._check_named(rename)
        return _renamed(self._data, rename)


@xr.register_datatree_accessor("vzlab")  # type: ignore[no-untyped-call]
class DataTreeAccessor(_VirtualAccessor):
    """``tree.vzlab`` of a tree."""

    _data: xr.DataTree

    def rename_urls(self, rename: Mapping[str, str] | Callable[[str], str]) -> xr.DataTree:
        """The tree with its chunks at other urls, by a mapping from whole old urls to new ones or by a function.

        Raises
        ------
        ValueError
            If a mapping names none of the urls.

        Examples
        --------
        >>> import vzlab as vz
        >>> tree = vz.open_virtual_datatree("archive/sst_2025-01-01.nc")
        >>> moved = tree.vzlab.rename_urls(lambda url: "s3://bucket/" + url.rpartition("/")[2])
        >>> moved["sst"].variable.data.manifest.urls
        ('s3://bucket/sst_2025-01-01.nc',)
        """
        self._check_named(rename)
        return self._data.map_over_datasets(_renamed, kwargs={"rename": rename})


def _renamed(dataset: xr.Dataset, rename: Mapping[str, str] | Callable[[str], str]) -> xr.Dataset:
    moved = {
        name: variable._replace(data=variable._data.rename_urls(rename))
        for name, variable in dataset.variables.items()
        if isinstance(variable._data, ManifestArray)
    }
    return dataset._replace(variables={**dataset._variables, **moved})
