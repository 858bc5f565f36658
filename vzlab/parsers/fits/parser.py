"""FITS files as virtual arrays: a variable for each image, a group of columns for each table."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from vzlab.codecs import CodecJSON, bytes_codecs
from vzlab.errors import CorruptFileError, VzlabError
from vzlab.manifests import ArrayMetadata, ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.dividing import even_chunks
from vzlab.parsers.fits.attributes import packing, read_attributes
from vzlab.parsers.fits.headers import (
    ByteSource,
    Unit,
    Unpacked,
    integer,
    is_random_groups,
    read_units,
    value_of,
)
from vzlab.parsers.fits.images import (
    Place,
    contiguous,
    is_compressed_image,
    offset_codecs,
    offset_dtype,
    read_compressed_image,
    read_image,
)
from vzlab.parsers.fits.loading import load_unit
from vzlab.parsers.fits.tables import Column, read_cells, read_columns
from vzlab.storage import Source, StoreRegistry, as_registry
from vzlab.storage.unpacking import unpack

_GZIP = b"\x1f\x8b"

MAX_GZIP_BYTES = 1 << 30
"""A file that gzip compresses is refused if it unpacks to more: to read a value of it is to unpack all."""


@dataclass(frozen=True, kw_only=True)
class FITSParser(Parser):
    """Parse FITS files, plain or compressed as a whole by gzip.

    astropy reads the headers. An image is a variable named by its EXTNAME, ``PRIMARY``, or the number of its unit, a second
    of a name ``NAME#2``; its dimensions are ``(..., z, y, x)``, with a number behind where another image has them in another
    length. A table is a group of that name with a variable for each column, whose chunks are runs of whole rows. BSCALE and
    BZERO become ``scale_factor`` and ``add_offset``, BLANK ``_FillValue``; unsigned integers are those that they stand for. The
    other keywords, WCS among them, are attributes.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.

    Examples
    --------
    >>> group = FITSParser()("one.fits")
    >>> group["PRIMARY"].metadata.shape
    (120, 200)
    """

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        data = _opened(source)
        packed_bytes = None if data is source else source.size_bytes
        place = Place(source_file=source.source_file(), packed_bytes=packed_bytes)
        assembler = _Assembler(data, place)
        for name, unit in name_units(data, source.url):
            try:
                assembler.add(name, unit)
            except (ValueError, KeyError) as error:
                if isinstance(error, VzlabError):
                    raise
                raise CorruptFileError(f"Unit {name!r} of {source.url} is damaged: {error}.") from error
        return assembler.root()

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read an image or a column with astropy, scaled as astropy scales."""
        source = as_registry(registry).open(os.fspath(url))
        data = _opened(source)
        name, _, column = path.strip("/").partition("/")
        for found, unit in name_units(data, source.url):
            if found == name:
                return load_unit(data, unit, column, path=path, url=source.url)
        raise KeyError(f"{source.url} has no unit {name!r}")


def _opened(source: Source) -> ByteSource:
    """The source, or what it holds if gzip compresses it as a whole."""
    if source.read(0, min(2, source.size_bytes)) != _GZIP:
        return source
    return Unpacked(data=unpack(source.read(0, source.size_bytes), MAX_GZIP_BYTES, url=source.url))


def name_units(source: ByteSource, url: str) -> list[tuple[str, Unit]]:
    """Every unit with its name: EXTNAME, ``PRIMARY`` for the first, else its number; the n-th of a name has ``#n`` behind."""
    named: list[tuple[str, Unit]] = []
    counts: dict[str, int] = {}
    for unit in read_units(source, url):
        given = value_of(unit.header, "EXTNAME")
        if given == "COMPRESSED_IMAGE" and unit.header.count("EXTNAME") > 1:
            # Some tools that compress keep the name of the image behind that of their own.
            given = unit.header["EXTNAME", 1]
        name = given.strip() if isinstance(given, str) else ""
        if not name:
            compressed = "COMPRESSED_IMAGE" if is_compressed_image(unit.header) else str(unit.number)
            name = "PRIMARY" if unit.number == 0 else compressed
        # A slash would make a path of it.
        name = name.replace("/", "_").strip(".") or str(unit.number)
        counts[name] = counts.get(name, 0) + 1
        named.append((name if counts[name] == 1 else f"{name}#{counts[name]}", unit))
    return named


@dataclass(kw_only=True)
class _Dimensions:
    """Names of dimensions, each of one length within a group."""

    lengths: dict[str, int] = field(default_factory=dict)

    def name(self, base: str, length: int, number: int) -> str:
        """The name itself where it is free or of that length, else with a number behind."""
        if self.lengths.setdefault(base, length) == length:
            return base
        other = f"{base}_{number}"
        self.lengths[other] = length
        return other


class _Assembler:
    """Makes the tree out of units."""

    def __init__(self, source: ByteSource, place: Place) -> None:
        self._source = source
        self._place = place
        self._arrays: dict[str, ManifestArray] = {}
        self._groups: dict[str, ManifestGroup] = {}
        self._unreadable: dict[str, UnreadableVariable] = {}
        self._dimensions = _Dimensions()
        self._attributes: dict[str, Any] = {}

    def root(self) -> ManifestGroup:
        """The whole tree."""
        words = "FITS in gzip" if self._place.packed_bytes is not None else "FITS"
        return ManifestGroup(
            arrays=self._arrays,
            groups=self._groups,
            attributes=self._attributes,
            unreadable=self._unreadable,
            format=words,
        )

    def add(self, name: str, unit: Unit) -> None:
        """One unit as a variable, a group, or attributes where it has no data."""
        header = unit.header
        kind = str(value_of(header, "XTENSION") or "").strip()
        if unit.number == 0 and value_of(header, "SIMPLE") is not True:
            self._refuse(
                name, unit, "SIMPLE is not T: the file does not follow the FITS standard.", loadable=False
            )
        elif is_random_groups(header):
            if unit.data_bytes:
                self._refuse(
                    name, unit, "It holds random groups, which no chunk grid describes.", loadable=True
                )
        elif is_compressed_image(header) and kind in ("BINTABLE", "A3DTABLE"):
            self._add_image(name, unit, compressed=True)
        elif kind in ("BINTABLE", "A3DTABLE", "TABLE"):
            self._groups[name] = self._table(unit, name)
        elif kind not in ("", "IMAGE", "IUEIMAGE"):
            self._refuse(
                name,
                unit,
                f"It is an extension of kind {kind!r}, which the FITS standard does not know.",
                loadable=False,
            )
        elif unit.data_bytes:
            self._add_image(name, unit, compressed=False)
        elif unit.number == 0:
            self._attributes = read_attributes(header)

    def _refuse(self, name: str, unit: Unit, reason: str, *, loadable: bool) -> None:
        self._unreadable[name] = UnreadableVariable(
            reason=reason, loadable=loadable, attributes=read_attributes(unit.header)
        )

    def _add_image(self, name: str, unit: Unit, *, compressed: bool) -> None:
        try:
            array = (
                read_compressed_image(unit, self._source, self._place, name)
                if compressed
                else read_image(unit, self._place, name)
            )
        except CorruptFileError:
            raise
        except VzlabError as error:
            self._refuse(name, unit, str(error), loadable=True)
            return
        bases = [*(f"axis_{axis}" for axis in range(array.ndim, 3, -1)), "z", "y", "x"][-array.ndim :]
        dimensions = tuple(
            self._dimensions.name(base, length, unit.number)
            for base, length in zip(bases, array.shape, strict=True)
        )
        self._arrays[name] = replace(array, metadata=replace(array.metadata, dimension_names=dimensions))

    def _table(self, unit: Unit, name: str) -> ManifestGroup:
        header = unit.header
        n_rows = integer(header, "NAXIS2")
        arrays: dict[str, ManifestArray] = {}
        unreadable: dict[str, UnreadableVariable] = {}
        dimensions = _Dimensions()
        for column in read_columns(header):
            if column.is_variable or column.width == 0 or n_rows == 0:
                reason = (
                    "Its cells are arrays of any length, which lie in the table's heap."
                    if column.is_variable
                    else "It has no cells."
                )
                unreadable[column.name] = UnreadableVariable(
                    reason=reason,
                    loadable=column.is_variable and n_rows > 0,
                    shape=(n_rows,),
                    dimension_names=("row",),
                )
                continue
            try:
                arrays[column.name] = self._column(unit, column, n_rows, dimensions, name)
            except CorruptFileError:
                raise
            except VzlabError as error:
                unreadable[column.name] = UnreadableVariable(
                    reason=str(error), loadable=True, shape=(n_rows,)
                )
        return ManifestGroup(arrays=arrays, unreadable=unreadable, attributes=read_attributes(header))

    def _column(
        self, unit: Unit, column: Column, n_rows: int, dimensions: _Dimensions, table: str
    ) -> ManifestArray:
        header, number = unit.header, column.number
        row_bytes = integer(header, "NAXIS1")
        cells = read_cells(header, column)
        keywords = {"scale": f"TSCAL{number}", "zero": f"TZERO{number}", "blank": f"TNULL{number}"}
        attributes, is_offset = (
            packing(header, bitpix=column.bitpix, **keywords) if column.bitpix else ({}, False)
        )
        if column.code in "EDCM" or column.is_text_number:
            attributes, _ = packing(header, bitpix=-64, **keywords)
        for attribute, keyword in (("units", "TUNIT"), ("display_format", "TDISP"), ("long_name", "TCOMM")):
            if isinstance(value := value_of(header, f"{keyword}{number}"), str) and value:
                attributes[attribute] = value
        rows = n_rows if self._place.packed_bytes is not None else even_chunks((n_rows, row_bytes), 1)[0]
        manifest, outer = contiguous(
            self._place, unit.data_offset, (n_rows, row_bytes), (rows, row_bytes), 1, f"{table}/{column.name}"
        )
        manifest = manifest.reshape((manifest.n_chunks,) + (1,) * len(cells.shape))
        take: tuple[CodecJSON, ...] = ()
        if column.width != row_bytes:
            layout = {"itemsize": row_bytes, "segments": [[column.offset, column.width, 0]]}
            take = ({"name": "vzlab.record_layout", "configuration": layout},)
        inner = tuple(
            dimensions.name(f"{column.name}_{axis}", length, number)
            for axis, length in enumerate(cells.shape)
        )
        shape = (n_rows, *cells.shape)
        metadata = ArrayMetadata.create(
            shape=shape,
            dtype=offset_dtype(cells.dtype) if is_offset else cells.dtype,
            chunks=(rows, *cells.shape),
            codecs=(
                *bytes_codecs(cells.dtype),
                *offset_codecs(cells.dtype, is_offset),
                *cells.codecs,
                *take,
                *outer,
            ),
            attributes=attributes,
            dimension_names=("row", *inner),
        )
        return ManifestArray(metadata=metadata, manifest=manifest)
