"""TIFF files as virtual arrays: a variable for each page, a group for each level of overviews."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from vzlab.errors import CorruptFileError, UnvirtualizableError, VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup, SourceFile, UnreadableVariable
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.tiff.attributes import read_page_attributes, read_texts
from vzlab.parsers.tiff.gdal import read_with_gdal
from vzlab.parsers.tiff.georeference import Georeference, coordinates, grid_mapping, read_georeference
from vzlab.parsers.tiff.layout import has_bands, page_shape, read_page
from vzlab.parsers.tiff.opening import LIBRARY_ERRORS, open_tiff, read_pages
from vzlab.parsers.tiff.pages import PageNode, arrange_pages
from vzlab.parsers.tiff.series import read_series
from vzlab.storage import Source, StoreRegistry, as_registry

MAX_LOAD_BYTES = 4 << 30
"""A page that takes more is not loaded by tifffile."""


@dataclass(frozen=True, kw_only=True)
class TIFFParser(Parser):
    """Parse TIFF, GeoTIFF, COG, BigTIFF and OME-TIFF files.

    tifffile reads the directories; strips and tiles become chunks, which imagecodecs decodes. A page is a variable named by
    its number, of dimensions ``(y, x)`` or ``(band, y, x)``. Overviews are in groups ``overview_1``, ``overview_2``, ... under
    the name of the page that they reduce, of dimensions such as ``y_overview_1``, since groups inherit those above them. Pages
    of another size or place have dimensions of their own, such as ``y_3``.
    GeoTIFF tags become the grid mapping ``spatial_ref`` and, where rows and columns run along its axes, coordinates ``y`` and
    ``x`` of pixel centres.

    Parameters
    ----------
    layout : {"pages", "series"}
        "series" gives what the file's metadata (OME-XML, ImageJ, ...) declare to be one image as one variable, with
        dimensions such as ``(time, channel, z, y, x)``, over several files if need be.
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.

    Examples
    --------
    >>> group = TIFFParser()("one.tif")
    >>> group["0"].metadata.shape
    (120, 200)
    """

    layout: Literal["pages", "series"] = "pages"
    """Whether a variable is a page, or what the file's metadata declare to be one image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layout not in ("pages", "series"):
            raise ValueError(f"Found layout {self.layout!r}; expected 'pages' or 'series'")

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        with open_tiff(source, multifile=self.layout == "series") as file:
            nodes = arrange_pages(read_pages(file, source), source)
            if self.layout == "series":
                root = _series_group(file, source, registry)
            else:
                root = _Assembler(source.source_file()).root(nodes)
            return replace(root, attributes=read_texts(nodes[0].page), format=_format(file))

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a page with tifffile, or with GDAL where that cannot and rasterio is installed; bands come first."""
        source = as_registry(registry).open(os.fspath(url))
        with open_tiff(source) as file:
            nodes = {node.path: node for node in arrange_pages(read_pages(file, source), source)}
            if path not in nodes:
                raise KeyError(f"{source.url} has no page {path!r}; here are {', '.join(nodes)}")
            node = nodes[path]
            if int(np.prod(page_shape(node.page), dtype=object)) * 8 > MAX_LOAD_BYTES:
                raise UnvirtualizableError(
                    f"Page {path!r} of {source.url} is too large to load: {page_shape(node.page)}."
                )
            return LoadedVariable(
                values=_load(node, source),
                attributes=read_page_attributes(node.page, number=node.number),
                dimension_names=None,
            )


def _load(node: PageNode, source: Source) -> np.ndarray[Any, Any]:
    """Values of a page, bands first."""
    page = node.page
    try:
        # Of samples that it has no type for, tifffile gives an empty array.
        values = None if page.dtype is None else np.asarray(page.asarray())
        why = "it has no data type for its samples"
    except LIBRARY_ERRORS as error:
        values, why = None, str(error)
    if values is not None:
        return np.moveaxis(values, -1, 0) if page.axes == "YXS" else values
    if node.sub is not None:
        raise UnvirtualizableError(f"tifffile cannot read page {node.path!r} of {source.url}: {why}.")
    return read_with_gdal(source, node.number, why)


def _series_group(file: Any, source: Source, registry: StoreRegistry) -> ManifestGroup:
    """Each series as a variable; its smaller levels in groups."""
    own = source.source_file()

    def source_of(tiff: Any) -> SourceFile:
        return own if tiff is file else registry.open(tiff.filehandle.path).source_file()

    arrays: dict[str, dict[str, ManifestArray]] = {"": {}}
    unreadable: dict[str, UnreadableVariable] = {}
    lengths: dict[str, int] = {}
    for number, series in enumerate(file.series):
        name = str(number)
        for level, part in enumerate(series.levels):
            group = f"overview_{level}" if level else ""
            try:
                array, names = read_series(part, source_of, name=name)
            except CorruptFileError as error:
                raise CorruptFileError(f"{source.url}: {error}") from error
            except VzlabError as error:
                if not level:
                    unreadable[name] = UnreadableVariable(reason=str(error), loadable=False)
                continue
            bases = [f"{base}_{group}" if group and base in "yx" else base for base in names]
            dimensions = tuple(
                base if lengths.setdefault(base, length) == length else f"{base}_{name}"
                for base, length in zip(bases, array.shape, strict=True)
            )
            attributes = read_page_attributes(part.keyframe, number=int(part.keyframe.index))
            if part.name:
                attributes["long_name"] = str(part.name)
            arrays.setdefault(group, {})[name] = named(array, dimensions, attributes)
    root = arrays.pop("")
    groups = {group: ManifestGroup(arrays=members) for group, members in arrays.items()}
    return ManifestGroup(arrays=root, groups=groups, unreadable=unreadable)


def _format(file: Any) -> str:
    words = "BigTIFF" if file.is_bigtiff else "TIFF"
    for flag, name in (("is_ome", "OME-TIFF"), ("is_imagej", "ImageJ"), ("is_geotiff", "GeoTIFF")):
        if getattr(file, flag, False):
            return f"{name} / {words}"
    return words


@dataclass(kw_only=True)
class _Level:
    """A group under construction, and the dimensions that its arrays have."""

    name: str
    bands: dict[int, str]
    """Names of dimensions of bands by their number, the same in all groups."""
    arrays: dict[str, ManifestArray] = field(default_factory=dict)
    unreadable: dict[str, UnreadableVariable] = field(default_factory=dict)
    frames: dict[tuple[Any, ...], tuple[str, str, str | None]] = field(default_factory=dict)
    """Names of y, x and the grid mapping, by size and place."""

    def dimensions(
        self, node: PageNode, georeference: Georeference | None
    ) -> tuple[tuple[str, ...], str | None]:
        """Names of a page's dimensions and of its grid mapping; what they name is added to the group."""
        shape = page_shape(node.page)
        y, x, mapping = self._frame(shape[-2:], georeference, node.name)
        if not has_bands(node.page):
            return (y, x), mapping
        first = "band" if not self.bands else f"band_{shape[0]}"
        return (self.bands.setdefault(shape[0], first), y, x), mapping

    def _frame(
        self, shape: tuple[int, ...], georeference: Georeference | None, name: str
    ) -> tuple[str, str, str | None]:
        key = (shape, georeference)
        if key in self.frames:
            return self.frames[key]
        # A group inherits the dimensions of the one above, which are of other lengths.
        suffix = (f"_{self.name}" if self.name else "") + (f"_{name}" if self.frames else "")
        mapping = None
        if georeference is not None:
            mapping = f"spatial_ref{suffix}"
            self.arrays[mapping] = grid_mapping(georeference)
            if (axes := coordinates(georeference, (shape[0], shape[1]))) is not None:
                for axis, array in zip("yx", axes, strict=True):
                    self.arrays[axis + suffix] = named(array, (axis + suffix,))
        self.frames[key] = (f"y{suffix}", f"x{suffix}", mapping)
        return self.frames[key]


class _Assembler:
    """Makes groups out of pages."""

    def __init__(self, source_file: SourceFile) -> None:
        self._source_file = source_file
        self._georeferences: dict[str, Georeference | None] = {}
        self._damages: list[CorruptFileError] = []
        self._n_sound = 0

    def root(self, nodes: Iterable[PageNode]) -> ManifestGroup:
        """The whole tree."""
        bands: dict[int, str] = {}
        levels = {"": _Level(name="", bands=bands)}
        for node in nodes:
            self._add(levels.setdefault(node.group, _Level(name=node.group, bands=bands)), node)
        if self._damages and not self._n_sound:
            raise CorruptFileError(f"{self._source_file.url}: {self._damages[0]}") from self._damages[0]
        root = levels.pop("")
        groups = {
            name: ManifestGroup(arrays=level.arrays, unreadable=level.unreadable)
            for name, level in levels.items()
        }
        return ManifestGroup(arrays=root.arrays, unreadable=root.unreadable, groups=groups)

    def _add(self, level: _Level, node: PageNode) -> None:
        page = node.page
        attributes = read_page_attributes(page, number=node.number)
        if node.sub is not None:
            attributes["tiff_subifd"] = node.sub
        if node.mask_of is not None:
            attributes["long_name"] = f"mask of page {node.mask_of}"
        try:
            array = read_page(page, self._source_file, name=node.path)
        except VzlabError as error:
            if isinstance(error, CorruptFileError):
                self._damages.append(error)
            level.unreadable[node.name] = UnreadableVariable(
                reason=str(error),
                loadable=not isinstance(error, CorruptFileError),
                shape=page_shape(page),
                dtype=str(page.dtype),
                attributes=attributes,
            )
            return
        self._n_sound += 1
        dimensions, mapping = level.dimensions(node, self._georeference(node))
        if mapping is not None:
            attributes["grid_mapping"] = mapping
        level.arrays[node.name] = named(array, dimensions, attributes)

    def _georeference(self, node: PageNode) -> Georeference | None:
        """A page's own georeference, or that of the page which it reduces or masks, in its own pixels."""
        found = read_georeference(node.page)
        whole = None if node.original is None else self._georeferences.get(node.original.path)
        if node.original is not None and whole is not None:
            rows, columns = page_shape(node.original.page)[-2:]
            own_rows, own_columns = page_shape(node.page)[-2:]
            found = whole.scaled((rows, own_rows), (columns, own_columns))
        self._georeferences[node.path] = found
        return found


def named(
    array: ManifestArray, dimensions: tuple[str, ...], attributes: Mapping[str, Any] | None = None
) -> ManifestArray:
    """An array with names of dimensions, and with attributes if they are given."""
    kept = array.metadata.attributes if attributes is None else dict(attributes)
    return replace(array, metadata=replace(array.metadata, dimension_names=dimensions, attributes=kept))
