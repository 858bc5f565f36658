"""NIfTI-1 and NIfTI-2 images as virtual arrays: a fixed header, then the voxels in Fortran order.

Specifications: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vzlab.errors import CorruptFileError, SourceNotFoundError, UnsupportedFormatError, UnvirtualizableError
from vzlab.manifests import ManifestArray, ManifestGroup, UnreadableVariable
from vzlab.parsers.base import LoadedVariable, Parser
from vzlab.parsers.contiguous import MIN_CHUNK_BYTES, Block, block_array
from vzlab.storage import Source, StoreRegistry, as_registry, read_array

VARIABLE = "image"
"""Name of the one variable."""

# The fields that are read, in the order of nifti1.h: (name, type, count or length).
_NIFTI1: list[tuple[Any, ...]] = [
    ("sizeof_hdr", "i4"),
    ("unused", "S35"),
    ("dim_info", "u1"),
    ("dim", "i2", (8,)),
    ("intent_p", "f4", (3,)),
    ("intent_code", "i2"),
    ("datatype", "i2"),
    ("bitpix", "i2"),
    ("slice_start", "i2"),
    ("pixdim", "f4", (8,)),
    ("vox_offset", "f4"),
    ("scl_slope", "f4"),
    ("scl_inter", "f4"),
    ("slice_end", "i2"),
    ("slice_code", "u1"),
    ("xyzt_units", "u1"),
    ("cal_max", "f4"),
    ("cal_min", "f4"),
    ("slice_duration", "f4"),
    ("toffset", "f4"),
    ("unused_range", "i4", (2,)),
    ("descrip", "S80"),
    ("aux_file", "S24"),
    ("qform_code", "i2"),
    ("sform_code", "i2"),
    ("quatern", "f4", (3,)),
    ("qoffset", "f4", (3,)),
    ("srow", "f4", (3, 4)),
    ("intent_name", "S16"),
    ("magic", "S4"),
]
_NIFTI2: list[tuple[Any, ...]] = [
    ("sizeof_hdr", "i4"),
    ("magic", "S8"),
    ("datatype", "i2"),
    ("bitpix", "i2"),
    ("dim", "i8", (8,)),
    ("intent_p", "f8", (3,)),
    ("pixdim", "f8", (8,)),
    ("vox_offset", "i8"),
    ("scl_slope", "f8"),
    ("scl_inter", "f8"),
    ("cal_max", "f8"),
    ("cal_min", "f8"),
    ("slice_duration", "f8"),
    ("toffset", "f8"),
    ("slice_start", "i8"),
    ("slice_end", "i8"),
    ("descrip", "S80"),
    ("aux_file", "S24"),
    ("qform_code", "i4"),
    ("sform_code", "i4"),
    ("quatern", "f8", (3,)),
    ("qoffset", "f8", (3,)),
    ("srow", "f8", (3, 4)),
    ("slice_code", "i4"),
    ("xyzt_units", "i4"),
    ("intent_code", "i4"),
    ("intent_name", "S16"),
    ("dim_info", "u1"),
    ("unused", "S15"),
]
_HEADERS = {348: np.dtype(_NIFTI1), 540: np.dtype(_NIFTI2)}

# datatype: NIFTI_TYPE_*.
_DTYPES: dict[int, Any] = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    32: "c8",
    64: "f8",
    128: [("R", "u1"), ("G", "u1"), ("B", "u1")],
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
    1792: "c16",
    2304: [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")],
}
_DIMENSIONS = ("x", "y", "z", "t", "u", "v", "w")

# xyzt_units: the lower three bits are of space, the next three of time.
_SPACE_UNITS = {1: "m", 2: "mm", 3: "um"}
_TIME_UNITS = {8: "s", 16: "ms", 24: "us", 32: "Hz", 40: "ppm", 48: "rad/s"}

_KEPT = (
    "descrip",
    "aux_file",
    "intent_name",
    "intent_code",
    "intent_p",
    "qform_code",
    "sform_code",
    "quatern",
    "qoffset",
    "srow",
    "pixdim",
    "xyzt_units",
    "dim_info",
    "slice_start",
    "slice_end",
    "slice_code",
    "slice_duration",
    "toffset",
    "cal_min",
    "cal_max",
)
"""Fields of the header that become attributes of the group."""


@dataclass(frozen=True, kw_only=True)
class NIfTIParser(Parser):
    """Parse uncompressed NIfTI-1 and NIfTI-2 images: ``.nii``, or ``.hdr`` with ``.img`` beside it.

    The one variable is ``image``, with dimensions x, y, z, t, u, v, w as far as the file has them. Scaling becomes
    ``scale_factor`` and ``add_offset``; voxel sizes, units and the affine (in the order sform, qform, voxel sizes) become
    attributes. ``.nii.gz`` cannot be referenced: decompress it first.

    Parameters
    ----------
    group : str, optional
        There are none: anything but None is an error.
    drop_variables : collection of str
        Names of variables to leave out.
    min_chunk_bytes : int or None
        See `min_chunk_bytes`.

    Examples
    --------
    >>> group = NIfTIParser()("one.nii")
    >>> group["image"].metadata.shape
    (120, 200)
    """

    min_chunk_bytes: int | None = MIN_CHUNK_BYTES
    """The image is split along its last dimension, such as time, into equal chunks of this many bytes or little more; None
    keeps it whole."""

    def _parse(self, source: Source, registry: StoreRegistry) -> ManifestGroup:
        header = _read_header(source)
        version = 1 if int(header["sizeof_hdr"]) == 348 else 2
        attributes = _attributes(header)
        shape = _shape(header, source)
        code = int(header["datatype"])
        if code not in _DTYPES:
            reason = f"Its voxels are of NIfTI data type {code}, for which there is no Zarr data type."
            image = UnreadableVariable(reason=reason, loadable=False, shape=shape, dtype=f"NIfTI {code}")
            return ManifestGroup(
                unreadable={VARIABLE: image}, attributes=attributes, format=f"NIfTI-{version}"
            )
        order: Literal[">", "<"] = ">" if header.dtype["sizeof_hdr"] == np.dtype(">i4") else "<"
        array = _image(
            header,
            _data_source(header, source, registry),
            shape,
            np.dtype(_DTYPES[code]).newbyteorder(order),
            self,
        )
        return ManifestGroup(
            arrays={VARIABLE: array},
            attributes=attributes,
            format=f"NIfTI-{version}",
            index_decoder="NIfTI header",
        )

    def load_variable(self, url: str | os.PathLike[str], registry: Any, path: str) -> LoadedVariable:
        """Read the stored voxels."""
        stores = as_registry(registry)
        group = self(url, stores)
        if path in group.unreadable:
            raise UnvirtualizableError(f"{path!r} of {os.fspath(url)}: {group.unreadable[path].reason}")
        if path not in group.arrays:
            raise KeyError(f"{os.fspath(url)} has no variable {path!r}; it has {VARIABLE!r}")
        array = group.arrays[path]
        return LoadedVariable(
            values=read_array(array, stores, name=path),
            attributes=dict(array.metadata.attributes),
            dimension_names=array.metadata.dimension_names,
        )


def _corrupt(source: Source, what: str) -> CorruptFileError:
    return CorruptFileError(f"{source.url} has a damaged NIfTI header: {what}. Fetch it again.")


def _read_header(source: Source) -> np.void:
    """The header in its own byte order, which its length shows."""
    raw = source.read(0, min(source.size_bytes, 540))
    if raw.startswith(b"\x1f\x8b"):
        raise UnsupportedFormatError(
            f"{source.url} is compressed by gzip: chunks inside of it cannot be referenced. Decompress it first (gunzip)."
        )
    for length, dtype in _HEADERS.items():
        for order in ("<", ">"):
            if int(np.frombuffer(raw[:4].ljust(4, b"\0"), f"{order}i4")[0]) != length:
                continue
            if len(raw) < length:
                raise _corrupt(source, f"it should have {length} bytes, and the file has {len(raw)}")
            header: np.void = np.frombuffer(raw[:length], dtype.newbyteorder(order))[0]
            if bytes(header["magic"])[:3] in {b"n+1", b"ni1", b"n+2", b"ni2"}:
                return header
    raise UnsupportedFormatError(
        f"{source.url} begins with {raw[:8]!r}; expected a header of 348 or 540 bytes with the magic n+1, ni1, n+2 or ni2: it "
        "is no NIfTI file."
    )


def _shape(header: np.void, source: Source) -> tuple[int, ...]:
    """Lengths in the order of the header: the first varies fastest."""
    rank = int(header["dim"][0])
    if not 1 <= rank <= 7:
        raise _corrupt(source, f"it has {rank} dimensions, expected 1 to 7")
    shape = tuple(int(n) for n in header["dim"][1 : rank + 1])
    # Lengths beside one of zero too: no array has more values than memory has addresses.
    if min(shape) < 0 or math.prod(max(n, 1) for n in shape) >= 1 << 59:
        raise _corrupt(source, f"its dimensions are {shape}")
    return shape


def _data_source(header: np.void, source: Source, registry: StoreRegistry) -> Source:
    """Where the voxels lie: in the same file, or in the ``.img`` beside a ``.hdr``."""
    if bytes(header["magic"])[1:2] == b"+":
        return source
    stem, dot, suffix = source.url.rpartition(".")
    if not dot or suffix.lower() != "hdr":
        raise CorruptFileError(
            f"{source.url} says that its voxels lie in a file of its own (magic {bytes(header['magic'])!r}), and is not called "
            ".hdr: name it so, with the .img beside it."
        )
    url = f"{stem}.{'IMG' if suffix.isupper() else 'img'}"
    try:
        image = registry.open(url)
        _ = image.size_bytes
    except SourceNotFoundError as error:
        raise SourceNotFoundError(
            f"{source.url} says that its voxels lie beside it, and there is no {url}: fetch that too"
        ) from error
    return image


def _image(
    header: np.void, source: Source, shape: tuple[int, ...], dtype: np.dtype[Any], parser: NIfTIParser
) -> ManifestArray:
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and offset >= 0 and offset == int(offset)):
        raise _corrupt(source, f"its voxels should begin at byte {offset}")
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        raise _corrupt(source, f"its voxels have {int(header['bitpix'])} bits, expected {8 * dtype.itemsize}")
    begin = int(offset)
    if bytes(header["magic"])[1:2] == b"+" and begin < int(header["sizeof_hdr"]):
        raise _corrupt(source, f"its voxels should begin at byte {begin}, inside of the header")
    attributes: dict[str, Any] = {}
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    # nifti1.h, "DATA SCALING": a slope of zero stands for none, and colours are never scaled.
    if (
        dtype.names is None
        and slope != 0
        and math.isfinite(slope)
        and math.isfinite(inter)
        and (slope, inter) != (1, 0)
    ):
        attributes = {"scale_factor": slope, "add_offset": inter}
    block = Block(name=VARIABLE, begin=begin, shape=shape[::-1], dtype=dtype)
    array = block_array(
        block, source, min_chunk_bytes=parser.min_chunk_bytes, attributes=attributes
    ).transpose()
    return replace(array, metadata=replace(array.metadata, dimension_names=_DIMENSIONS[: len(shape)]))


def _attributes(header: np.void) -> dict[str, Any]:
    """Fields of the header, the affine that follows from them, and units in words."""
    found: dict[str, Any] = {}
    for name in _KEPT:
        value = header[name]
        found[name] = value.decode("latin-1") if isinstance(value, bytes) else value.tolist()
    units = int(header["xyzt_units"])
    if units & 0x07 in _SPACE_UNITS:
        found["space_units"] = _SPACE_UNITS[units & 0x07]
    if units & 0x38 in _TIME_UNITS:
        found["time_units"] = _TIME_UNITS[units & 0x38]
    found["affine"] = _affine(header).tolist()
    return found


def _affine(header: np.void) -> npt.NDArray[np.float64]:
    """From voxel indices to positions, shape (4, 4): nifti1.h, "3D IMAGE (VOLUME) ORIENTATION", methods 3, 2 and 1."""
    affine = np.eye(4)
    if int(header["sform_code"]) > 0:
        affine[:3] = header["srow"]
        return affine
    sizes = header["pixdim"][1:4].astype(np.float64)
    if int(header["qform_code"]) > 0:
        b, c, d = header["quatern"].astype(np.float64)
        squares = b * b + c * c + d * d
        if 1.0 - squares < 1e-7:
            # Half a turn, in which rounding would show: the vector is taken for a unit one.
            b, c, d = (part / math.sqrt(squares) for part in (b, c, d))
            squares = 1.0
        a = math.sqrt(1.0 - squares)
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        # pixdim[0] is the handedness, of which 0 means 1.
        sizes[2] *= -1 if header["pixdim"][0] < 0 else 1
        affine[:3, :3] = rotation * sizes
        affine[:3, 3] = header["qoffset"]
        return affine
    affine[:3, :3] = np.diag(sizes)
    return affine
