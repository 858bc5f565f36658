"""GRIB files of editions 1 and 2 as virtual arrays.

WMO Manual on Codes, volume I.2 (FM 92). Names, dimensions and attributes follow cfgrib's reading of eccodes' keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.errors import CodecError, UnvirtualizableError
from vzlab.manifests import (
    ArrayMetadata,
    ChunkManifest,
    ManifestArray,
    ManifestGroup,
    SourceFile,
    UnreadableVariable,
)
from vzlab.parsers.base import LoadedVariable, Parser, check_bounds
from vzlab.parsers.grib.arranging import Shelf, arrange
from vzlab.parsers.grib.coordinates import attributes_of, valid_times
from vzlab.parsers.grib.cubes import Cube, matches, sort_into_cubes
from vzlab.parsers.grib.geography import Geography, read_geography
from vzlab.parsers.grib.keeping import Kept
from vzlab.parsers.grib.kept_index import index_path, read_index, write_index
from vzlab.parsers.grib.keys import FieldKeys, read_attributes, read_field_keys, read_group_attributes
from vzlab.parsers.grib.scanning import FieldPlace, scan_fields
from vzlab.storage import Source, StoreRegistry, as_registry, read_array

type _Index = tuple[tuple[FieldKeys, ...], Mapping[str, UnreadableVariable]]

_INDEXES = Kept[_Index](32)
FORMAT = "GRIB"
_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


@dataclass(frozen=True, kw_only=True)
class GRIBParser(Parser):
    """Parse GRIB files of editions 1 and 2.

    Every field is one chunk: the bytes from the start of its message to its own end, decoded by the codec ``vzlab.grib``. The
    fields of a variable lie along the dimensions ``number``, ``time``, ``step`` and level; places without a field read as NaN.
    Variables with the same coordinates are in one group. If all are, it is the root; else there is a group for each type of
    level, such as ``isobaricInhPa``, and groups below it, such as ``surface/accum``, where variables differ further.

    Only lengths and headers are read, and kept for as long as a file stays the same: in this process, and on disk if
    `index_directory` says where.

    Parameters
    ----------
    group : str, optional
        Path of the group to parse, with what is below it; None is the root.
    drop_variables : collection of str
        Names, or paths from the parsed group, of variables and groups to leave out, at every depth.
    filter_by_keys : mapping, optional
        Takes only fields that have these values of eccodes' keys, such as ``{"typeOfLevel": "surface"}``; a list is a choice.
    dtype : {"float64", "float32"}
        Of values. GRIB packs few digits, yet computes in float64, as eccodes gives them.
    squeeze : bool
        Whether a dimension of length 1 becomes a scalar coordinate. False keeps it, to concatenate along it.
    index_directory : path, optional
        Where the places and headers of fields are kept, for other processes: a file whose url, size, entity tag and time of
        change are the same is not scanned again. None keeps nothing on disk.

    Examples
    --------
    >>> group = GRIBParser(filter_by_keys={"shortName": "t"})("one.grib2")
    >>> group["t"].metadata.shape
    (120, 200)
    """

    filter_by_keys: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    squeeze: bool = True
    index_directory: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "filter_by_keys", dict(self.filter_by_keys))
        if self.dtype not in ("float64", "float32"):
            raise ValueError(f"Found dtype {self.dtype!r}; expected 'float64' or 'float32'")

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        file = source.source_file()
        known, unreadable = _INDEXES.get(file, lambda: _index(source, self.index_directory))
        cubes = sort_into_cubes(keys for keys in known if matches(keys, self.filter_by_keys))
        shelves = arrange([(_name(cube), cube) for cube in cubes])
        builder = _Builder(file, self.dtype, squeeze=self.squeeze)
        return _tree(shelves, builder, unreadable)

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read a variable with eccodes."""
        head, _, name = path.strip("/").rpartition("/")
        array = type(self)(filter_by_keys=self.filter_by_keys, dtype=self.dtype, squeeze=self.squeeze)(
            url, registry
        )[head]
        found = array[name] if isinstance(array, ManifestGroup) else None
        if not isinstance(found, ManifestArray):
            raise KeyError(f"No variable {path!r} in {os.fspath(url)}")
        return LoadedVariable(
            values=read_array(found, as_registry(registry), name=path),
            attributes=dict(found.metadata.attributes),
            dimension_names=found.metadata.dimension_names,
        )


def _places(source: Source, directory: str | os.PathLike[str] | None) -> Iterable[FieldPlace]:
    """Where every field of a file lies: from the index on disk if there is one, else by a scan, which makes one."""
    if directory is None:
        return scan_fields(source)
    path = index_path(directory, source.source_file())
    places = read_index(path)
    if places is None:
        places = tuple(scan_fields(source))
        write_index(path, places)
    return places


def _index(source: Source, directory: str | os.PathLike[str] | None) -> _Index:
    """Every field of a file with its metadata, and those of which eccodes gives none."""
    known: list[FieldKeys] = []
    unreadable: dict[str, UnreadableVariable] = {}
    for number, place in enumerate(_places(source, directory)):
        try:
            known.append(read_field_keys(place))
        except CodecError as error:
            unreadable[f"field_{number}"] = UnreadableVariable(reason=str(error), loadable=False)
    return tuple(known), unreadable


class _Builder:
    """Makes groups of virtual arrays."""

    def __init__(self, source: SourceFile, dtype: str, *, squeeze: bool) -> None:
        self._source = source
        self._dtype = dtype
        self._squeeze = squeeze

    def group(self, shelf: Shelf) -> ManifestGroup:
        """The variables of a group with their coordinates."""
        arrays: dict[str, ManifestArray] = {}
        unreadable: dict[str, UnreadableVariable] = {}
        for name, cube in shelf.cubes.items():
            attributes = read_attributes(cube.first.place)
            try:
                geography = read_geography(cube.first)
                coordinates = self._header_coordinates(cube, shelf.level) | self._where(cube, geography)
                variable = self._variable(cube, geography, attributes, coordinates)
            except (CodecError, UnvirtualizableError) as error:
                unreadable[name] = UnreadableVariable(
                    reason=str(error), loadable=False, dtype=self._dtype, attributes=attributes
                )
            else:
                arrays |= {key: value for key, value in coordinates.items() if key not in arrays}
                arrays[_free(name, arrays)] = variable
                if geography.unplaced:
                    unreadable |= dict.fromkeys(("latitude", "longitude"), _unplaced(geography))
        first = next(iter(shelf.cubes.values())).first.place
        return ManifestGroup(
            arrays=arrays, unreadable=unreadable, attributes=read_group_attributes(first), format=FORMAT
        )

    def _dimensions(self, cube: Cube) -> tuple[str, ...]:
        """Dimensions of a variable's fields, by their names in `keys.DIMENSIONS`."""
        return tuple(
            name for name, values in cube.coordinates().items() if len(values) > 1 or not self._squeeze
        )

    def _variable(
        self,
        cube: Cube,
        geography: Geography,
        attributes: dict[str, Any],
        coordinates: Mapping[str, ManifestArray],
    ) -> ManifestArray:
        dimensions = self._dimensions(cube)
        shape = tuple(len(cube.values(name) or ()) for name in dimensions)
        # A variable of no dimensions has one field, whose place is all there is.
        at = cube.places(dimensions) or ...
        offsets, lengths = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
        missing = np.ones(shape, bool)
        offsets[at] = np.array([keys.place.offset for keys in cube.fields], np.uint64)
        lengths[at] = np.array([keys.place.length for keys in cube.fields], np.uint64)
        missing[at] = False
        inner = (1,) * len(geography.shape)
        manifest = ChunkManifest.from_ranges(
            self._source,
            offsets.reshape(shape + inner),
            lengths.reshape(shape + inner),
            missing=missing.reshape(shape + inner),
        )
        codec: dict[str, Any] = {"dtype": self._dtype}
        if geography.turned_row_length:
            codec["row_length"] = geography.turned_row_length
        level = _level_name(cube)
        metadata = ArrayMetadata.create(
            shape=shape + geography.shape,
            dtype=self._dtype,
            chunks=(1,) * len(shape) + geography.shape,
            codecs=(_LITTLE, {"name": "vzlab.grib", "configuration": codec}),
            fill_value=np.nan,
            attributes={**attributes, "coordinates": " ".join(coordinates)},
            dimension_names=(
                *(level if name == "level" else name for name in dimensions),
                *geography.dimensions,
            ),
        )
        return ManifestArray(
            metadata=metadata, manifest=check_bounds(manifest, variable=_name(cube), what="field")
        )

    def _header_coordinates(self, cube: Cube, level: str) -> dict[str, ManifestArray]:
        """What the fields of a variable differ in, and when they are valid."""
        kept = self._dimensions(cube)
        values = cube.coordinates()
        found = {}
        for name, numbers in values.items():
            shown = _level_name(cube) if name == "level" else name
            data = np.array(numbers) if name in kept else np.array(numbers[0])
            dims = (shown,) if name in kept else ()
            found[shown] = _held(data, dims, attributes_of(shown, name))
        if "time" in values and "step" in values:
            both = tuple(name for name in ("time", "step") if name in kept)
            data = valid_times(values["time"], values["step"])
            shape = tuple(len(values[name]) for name in both)
            found["valid_time"] = _held(data.reshape(shape), both, attributes_of("valid_time", "valid_time"))
        return found

    def _where(self, cube: Cube, geography: Geography) -> dict[str, ManifestArray]:
        """Latitudes and longitudes: held, or the header out of which the codec computes them."""
        found = {
            name: _held(values, dims, attributes_of(name, name))
            for name, (dims, values) in geography.coordinates.items()
        }
        header = cube.first.place.header
        for name in geography.computed:
            codec = {"name": "vzlab.grib", "configuration": {"what": f"{name}s"}}
            found[name] = ManifestArray(
                metadata=ArrayMetadata.create(
                    shape=geography.shape,
                    dtype="float64",
                    chunks=geography.shape,
                    codecs=(_LITTLE, codec),
                    fill_value=np.nan,
                    attributes=attributes_of(name, name),
                    dimension_names=geography.dimensions,
                ),
                manifest=ChunkManifest.from_inline([header], (1,) * len(geography.shape)),
            )
        return found


def _name(cube: Cube) -> str:
    """As cfgrib names it: by eccodes' name for CF, else by the short name."""
    attributes = read_attributes(cube.first.place)
    for key in ("GRIB_cfVarName", "GRIB_shortName"):
        if key in attributes:
            return str(attributes[key]).replace("/", "-")
    numbers = ("discipline", "parameterCategory", "parameterNumber", "table2Version", "indicatorOfParameter")
    words = [str(cube.first.key(key)) for key in numbers if cube.first.key(key) is not None]
    return "_".join(["unknown", *words])


def _unplaced(geography: Geography) -> UnreadableVariable:
    return UnreadableVariable(
        reason=geography.unplaced,
        loadable=False,
        shape=geography.shape,
        dtype="float64",
        dimension_names=geography.dimensions,
    )


def _level_name(cube: Cube) -> str:
    told = cube.first.key("typeOfLevel")
    return "level" if told in (None, "unknown", "undef") else str(told)


def _held(
    values: npt.NDArray[Any], dimensions: tuple[str, ...], attributes: Mapping[str, Any]
) -> ManifestArray:
    """An array held inside the manifest."""
    metadata = ArrayMetadata.create(
        shape=values.shape,
        dtype=values.dtype,
        chunks=tuple(max(n, 1) for n in values.shape),
        codecs=(_LITTLE,),
        attributes=attributes,
        dimension_names=dimensions,
    )
    data = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return ManifestArray(metadata=metadata, manifest=ChunkManifest.from_inline([data], (1,) * values.ndim))


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """A name that no coordinate has."""
    while name in taken:
        name += "_"
    return name


def _tree(
    shelves: list[Shelf], builder: _Builder, unreadable: Mapping[str, UnreadableVariable]
) -> ManifestGroup:
    built = {shelf.path: builder.group(shelf) for shelf in shelves}
    root = built.pop("", ManifestGroup(attributes={"Conventions": "CF-1.7"}, format=FORMAT))
    top: dict[str, ManifestGroup] = {}
    for path, group in sorted(built.items()):
        head, _, rest = path.partition("/")
        if not rest:
            top[head] = group
            continue
        parent = top.get(head, ManifestGroup(format=FORMAT))
        top[head] = replace(parent, groups={**parent.groups, rest: group})
    return replace(root, groups=top, unreadable={**root.unreadable, **unreadable})
