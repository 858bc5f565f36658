"""GeoTIFF tags as a CF grid mapping and coordinates.

OGC GeoTIFF 1.1 (19-008r4), 7.1 to 7.3: GeoKeys and the raster-to-model transformation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from vzlab.codecs import bytes_codecs
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray

MAX_COORDINATES = 4_000_000
"""Longer axes get no coordinates: they are held in memory."""

_PIXEL_SCALE, _TIEPOINTS, _TRANSFORMATION, _KEYS, _DOUBLES, _ASCII = 33550, 33922, 34264, 34735, 34736, 34737
_MODEL_TYPE, _RASTER_TYPE, _CITATION, _GEOGRAPHIC, _GEODETIC_CITATION, _PROJECTED, _PROJECTED_CITATION = (
    1024,
    1025,
    1026,
    2048,
    2049,
    3072,
    3073,
)
_MODEL_GEOGRAPHIC, _PIXEL_IS_POINT, _USER_DEFINED = 2, 2, 32767
_ESRI_WKT = "ESRI PE String = "

_KEY_NAMES = {
    _MODEL_TYPE: "GTModelTypeGeoKey",
    _RASTER_TYPE: "GTRasterTypeGeoKey",
    _CITATION: "GTCitationGeoKey",
    _GEOGRAPHIC: "GeodeticCRSGeoKey",
    _GEODETIC_CITATION: "GeodeticCitationGeoKey",
    2050: "GeodeticDatumGeoKey",
    2051: "PrimeMeridianGeoKey",
    2052: "GeogLinearUnitsGeoKey",
    2054: "GeogAngularUnitsGeoKey",
    2056: "EllipsoidGeoKey",
    2057: "EllipsoidSemiMajorAxisGeoKey",
    2058: "EllipsoidSemiMinorAxisGeoKey",
    2059: "EllipsoidInvFlatteningGeoKey",
    2062: "GeogTOWGS84GeoKey",
    _PROJECTED: "ProjectedCRSGeoKey",
    _PROJECTED_CITATION: "ProjectedCitationGeoKey",
    3074: "ProjectionGeoKey",
    3075: "ProjMethodGeoKey",
    3076: "ProjLinearUnitsGeoKey",
    3078: "ProjStdParallel1GeoKey",
    3079: "ProjStdParallel2GeoKey",
    3080: "ProjNatOriginLongGeoKey",
    3081: "ProjNatOriginLatGeoKey",
    3082: "ProjFalseEastingGeoKey",
    3083: "ProjFalseNorthingGeoKey",
    3084: "ProjFalseOriginLongGeoKey",
    3085: "ProjFalseOriginLatGeoKey",
    3086: "ProjFalseOriginEastingGeoKey",
    3087: "ProjFalseOriginNorthingGeoKey",
    3088: "ProjCenterLongGeoKey",
    3089: "ProjCenterLatGeoKey",
    3092: "ProjScaleAtNatOriginGeoKey",
    3093: "ProjScaleAtCenterGeoKey",
    3094: "ProjAzimuthAngleGeoKey",
    3095: "ProjStraightVertPoleLongGeoKey",
    4096: "VerticalGeoKey",
    4099: "VerticalUnitsGeoKey",
}
"""GeoTIFF 1.1, annex on GeoKeys."""


@dataclass(frozen=True, kw_only=True)
class Georeference:
    """Where the pixels of an image lie."""

    transform: tuple[float, ...] | None
    """Corner x, step of x along a row and along a column, corner y, the same of y: GDAL's order; None where tags give none."""
    keys: tuple[tuple[str, Any], ...]
    """GeoKeys by name."""
    is_geographic: bool

    def scaled(self, rows: tuple[int, int], columns: tuple[int, int]) -> Georeference:
        """The same ground in fewer pixels; each pair is the number of pixels before and after."""
        if self.transform is None:
            return self
        down, across = rows[0] / rows[1], columns[0] / columns[1]
        x, xx, xy, y, yx, yy = self.transform
        return Georeference(
            transform=(x, xx * across, xy * down, y, yx * across, yy * down),
            keys=self.keys,
            is_geographic=self.is_geographic,
        )

    @property
    def is_aligned(self) -> bool:
        """Whether rows and columns run along the axes of the coordinate system."""
        if self.transform is None:
            return False
        _, xx, xy, _, yx, yy = self.transform
        return xy == 0 and yx == 0 and xx != 0 and yy != 0


def read_georeference(page: Any) -> Georeference | None:
    """What a page's own tags say; None where it has no GeoTIFF tags."""
    keys = _read_keys(page)
    transform = _read_transform(page, is_point=keys.get(_RASTER_TYPE) == _PIXEL_IS_POINT)
    if not keys and transform is None:
        return None
    named = tuple((_KEY_NAMES.get(key, f"GeoKey{key}"), value) for key, value in keys.items())
    return Georeference(
        transform=transform, keys=named, is_geographic=keys.get(_MODEL_TYPE) == _MODEL_GEOGRAPHIC
    )


def grid_mapping(georeference: Georeference) -> ManifestArray:
    """A scalar whose attributes say the coordinate system (CF 1.11, section 5.6): WKT, GeoKeys, GDAL's ``GeoTransform``."""
    keys = dict(georeference.keys)
    attributes: dict[str, Any] = {}
    wkt = _wkt(keys)
    if wkt is not None:
        attributes |= {"crs_wkt": wkt, "spatial_ref": wkt}
    elif georeference.is_geographic:
        attributes["grid_mapping_name"] = "latitude_longitude"
    if (code := _epsg(keys)) is not None:
        attributes["epsg_code"] = f"EPSG:{code}"
    attributes |= {name: list(key) if isinstance(key, tuple) else key for name, key in keys.items()}
    if georeference.transform is not None:
        attributes["GeoTransform"] = " ".join(repr(number) for number in georeference.transform)
    metadata = ArrayMetadata.create(
        shape=(),
        dtype="int64",
        chunks=(),
        codecs=bytes_codecs(np.dtype("<i8")),
        attributes=attributes,
        dimension_names=(),
    )
    return ManifestArray(metadata=metadata, manifest=ChunkManifest.from_inline([bytes(8)], ()))


def coordinates(
    georeference: Georeference, shape: tuple[int, int]
) -> tuple[ManifestArray, ManifestArray] | None:
    """The y and x of pixel centres, of lengths `shape` (y, x); None where rows and columns do not run along the axes."""
    if not georeference.is_aligned or max(shape) > MAX_COORDINATES:
        return None
    assert georeference.transform is not None
    x, xx, _, y, _, yy = georeference.transform
    ys, xs = y + (np.arange(shape[0]) + 0.5) * yy, x + (np.arange(shape[1]) + 0.5) * xx
    if not (np.isfinite(ys).all() and np.isfinite(xs).all()):
        return None
    if georeference.is_geographic:
        return _axis(ys, "y", "latitude", "degrees_north"), _axis(xs, "x", "longitude", "degrees_east")
    return _axis(ys, "y", "projection_y_coordinate", None), _axis(xs, "x", "projection_x_coordinate", None)


def _axis(values: np.ndarray[Any, Any], axis: str, standard_name: str, units: str | None) -> ManifestArray:
    attributes = {"axis": axis.upper(), "standard_name": standard_name} | ({"units": units} if units else {})
    metadata = ArrayMetadata.create(
        shape=values.shape,
        dtype="float64",
        chunks=values.shape,
        codecs=bytes_codecs(np.dtype("<f8")),
        attributes=attributes,
        dimension_names=(axis,),
    )
    return ManifestArray(
        metadata=metadata, manifest=ChunkManifest.from_inline([values.astype("<f8").tobytes()], (1,))
    )


def _read_keys(page: Any) -> dict[int, Any]:
    """GeoKeys by number (GeoTIFF 1.1, 7.1.2); those that point outside of their tag are left out."""
    directory = page.tags.valueof(_KEYS)
    if directory is None or len(directory) < 4 or directory[0] != 1:
        return {}
    keys: dict[int, Any] = {}
    for key, tag, count, offset in zip(*(directory[4 + i :: 4] for i in range(4)), strict=False):
        if tag == 0:
            keys[int(key)] = int(offset)
            continue
        held = page.tags.valueof(tag) if tag in (_DOUBLES, _ASCII, _KEYS) else None
        if held is None or offset + count > len(held) + (tag == _ASCII):
            continue
        if tag == _ASCII:
            text = held if isinstance(held, str) else held.decode("latin-1")
            keys[int(key)] = text[offset : offset + count].rstrip("|\0")
        elif count == 1:
            keys[int(key)] = float(held[offset]) if tag == _DOUBLES else int(held[offset])
        else:
            # A tuple, since places are compared by hash.
            keys[int(key)] = tuple(float(number) for number in held[offset : offset + count])
    return keys


def _read_transform(page: Any, *, is_point: bool) -> tuple[float, ...] | None:
    """Pixel corners to model space, in GDAL's order (GeoTIFF 1.1, 7.3)."""
    matrix, scale, tie = (page.tags.valueof(code) for code in (_TRANSFORMATION, _PIXEL_SCALE, _TIEPOINTS))
    if matrix is not None and len(matrix) == 16:
        m = [float(number) for number in matrix]
        transform = (m[3], m[0], m[1], m[7], m[4], m[5])
    elif (
        scale is not None and len(scale) >= 2 and tie is not None and len(tie) >= 6 and scale[0] and scale[1]
    ):
        column, row, _, x, y, _ = (float(number) for number in tie[:6])
        # Rows run southwards whatever the sign of the scale: so do GDAL and the specification.
        across, down = float(scale[0]), -abs(float(scale[1]))
        transform = (x - column * across, across, 0.0, y - row * down, 0.0, down)
    else:
        return None
    if not all(math.isfinite(number) for number in transform):
        return None
    if is_point:
        x, xx, xy, y, yx, yy = transform
        transform = (x - (xx + xy) / 2, xx, xy, y - (yx + yy) / 2, yx, yy)
    return transform


def _epsg(keys: dict[str, Any]) -> int | None:
    for name in ("ProjectedCRSGeoKey", "GeodeticCRSGeoKey"):
        code = keys.get(name)
        if isinstance(code, int) and code > 0:
            return code if code < _USER_DEFINED else None
    return None


def _wkt(keys: dict[str, Any]) -> str | None:
    """The coordinate system as WKT: written out in a citation, or by its EPSG code where pyproj is installed."""
    for name in ("ProjectedCitationGeoKey", "GTCitationGeoKey"):
        text = keys.get(name)
        if isinstance(text, str) and text.startswith(_ESRI_WKT):
            return text.removeprefix(_ESRI_WKT)
    code = _epsg(keys)
    if code is None or find_spec("pyproj") is None:
        return None
    pyproj: Any = import_module("pyproj")
    try:
        return str(pyproj.CRS.from_epsg(code).to_wkt())
    except pyproj.exceptions.CRSError:
        return None
