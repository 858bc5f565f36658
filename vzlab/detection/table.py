"""The formats that are told apart: what they begin with, what they are called, and what parses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vzlab.errors import CorruptFileError
from vzlab.storage.unpacking import unpack

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD_BYTES = 4096
_FITS_CARD = b"SIMPLE  ="
_KERCHUNK_MARKS = (
    b'"refs"',
    b'"templates"',
    b'.zgroup"',
    b'.zarray"',
    b'.zattrs"',
    b'.zmetadata"',
    b'zarr.json"',
)

_LINDI_MARKS = (
    b'"generationMetadata"',
    b"_SCALAR",
    b"_SOFT_LINK",
    b"_EXTERNAL_ARRAY_LINK",
    b"_COMPOUND_DTYPE",
    b"_REFERENCE",
)


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of files, or of directories.

    Examples
    --------
    >>> import vzlab as vz
    >>> grib = next(known for known in vz.formats() if known.name == "GRIB")
    >>> grib.extra
    'grib'
    """

    name: str
    """In words, as people call it."""
    key: str
    """For programs."""
    suffixes: tuple[str, ...] = ()
    """Common endings of names, lower case."""
    magic: tuple[bytes, ...] = ()
    """What files begin with, one of them."""
    recognise: Callable[[bytes], bool] | None = None
    """Whether a file begins like this, where `magic` cannot say it; gets up to 4096 bytes."""
    mark: str = ""
    """In words, what `recognise` looks for, or what lies in a directory that is a store."""
    parser: str | None = None
    """Name of the parser in `vzlab.parsers`, if there is one, or where somebody else's is: ``"module:name"``."""
    extra: str = ""
    """The extra of vzlab that its parser needs."""
    libraries: tuple[str, ...] = ()
    """What the extra installs for it, as imported."""
    advice: str = ""
    """What to do with it where there is no parser."""

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins like this is of the format."""
        return head.startswith(self.magic) or (self.recognise is not None and self.recognise(head))

    @property
    def has_mark(self) -> bool:
        """Whether its first bytes tell."""
        return bool(self.magic) or self.recognise is not None


def is_kerchunk_json(head: bytes) -> bool:
    """Whether text begins as references in JSON do."""
    start = head.lstrip()[:HEAD_BYTES]
    return start.startswith((b"{", b"[")) and any(mark in start for mark in _KERCHUNK_MARKS)


def _is_lindi(head: bytes) -> bool:
    return is_kerchunk_json(head) and any(mark in head for mark in _LINDI_MARKS)


def _is_safetensors(head: bytes) -> bool:
    # The length of a JSON header in eight bytes, then the header.
    return len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= 100_000_000


def _is_grib(head: bytes) -> bool:
    # A bulletin header of the meteorological network may come first; the edition follows after three bytes.
    at = head[:256].find(b"GRIB")
    return at >= 0 and head[at + 7 : at + 8] in {b"\x00", b"\x01", b"\x02"}


def _is_fits(head: bytes) -> bool:
    # Files that gzip compresses as a whole are common, and each reader of FITS opens them.
    if not head.startswith(b"\x1f\x8b"):
        return head.startswith(_FITS_CARD)
    try:
        return unpack(head, len(_FITS_CARD), url="the file", whole=False).startswith(_FITS_CARD)
    except CorruptFileError:
        return False


def _is_dmrpp(head: bytes) -> bool:
    return b"<Dataset" in head and b"opendap.org/ns/DAP/4.0" in head


def _is_envi(head: bytes) -> bool:
    # The first line of the text beside raw data is this word alone.
    return head.split(b"\n", 1)[0].rstrip() == b"ENVI"


def _is_nifti(head: bytes) -> bool:
    # nifti1.h: the magic is the last field of the 348 bytes; nifti2.h: it follows the length of the header, 540.
    return head[344:348] in {b"n+1\0", b"ni1\0"} or head[4:8] in {b"n+2\0", b"ni2\0"}


def _is_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head"))


_UNPACK = "Unpack it first: chunks inside of it cannot be referenced."

FORMATS = (
    Format(
        name="HDF5",
        key="hdf5",
        suffixes=(".h5", ".hdf5", ".he5", ".nc", ".nc4", ".nwb", ".mat", ".hdf"),
        magic=(HDF5_SIGNATURE,),
        extra="hdf5",
        libraries=("h5py", "imagecodecs"),
        parser="HDF5Parser",
    ),
    Format(
        name="netCDF-3",
        key="netcdf3",
        suffixes=(".nc", ".nc3", ".cdf"),
        magic=(b"CDF\x01", b"CDF\x02", b"CDF\x05"),
        parser="NetCDF3Parser",
    ),
    Format(
        name="TIFF",
        key="tiff",
        suffixes=(".tif", ".tiff", ".cog"),
        magic=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        extra="tiff",
        libraries=("tifffile", "imagecodecs"),
        parser="TIFFParser",
    ),
    Format(
        name="GRIB",
        key="grib",
        suffixes=(".grib", ".grib1", ".grib2", ".grb", ".grb2", ".gb2"),
        recognise=_is_grib,
        mark="GRIB within the first 256 bytes",
        extra="grib",
        libraries=("eccodes",),
        parser="GRIBParser",
    ),
    Format(
        name="FITS",
        key="fits",
        suffixes=(".fits", ".fit", ".fts", ".fits.gz"),
        recognise=_is_fits,
        mark="SIMPLE  =, also within gzip",
        extra="fits",
        libraries=("astropy",),
        parser="FITSParser",
    ),
    Format(
        name="ENVI header",
        key="envi",
        suffixes=(".hdr",),
        recognise=_is_envi,
        mark="the line ENVI",
        parser="ENVIParser",
    ),
    Format(
        name="NIfTI",
        key="nifti",
        suffixes=(".nii",),
        recognise=_is_nifti,
        mark="n+1, ni1, n+2 or ni2 behind the header's length",
        parser="NIfTIParser",
    ),
    Format(
        name="HDF4",
        key="hdf4",
        suffixes=(".hdf", ".hdf4"),
        magic=(b"\x0e\x03\x13\x01",),
        extra="hdf4",
        libraries=("pyhdf",),
        parser="HDF4Parser",
    ),
    Format(
        name="DMR++",
        key="dmrpp",
        suffixes=(".dmrpp",),
        recognise=_is_dmrpp,
        mark="<Dataset> of the namespace of DAP4",
        parser="DMRPPParser",
    ),
    Format(
        name="LINDI",
        key="lindi",
        suffixes=(".lindi.json",),
        recognise=_is_lindi,
        mark="references in JSON with annotations of LINDI's",
        parser="LINDIParser",
    ),
    Format(
        name="Kerchunk references (JSON)",
        key="kerchunk",
        suffixes=(".json",),
        recognise=is_kerchunk_json,
        mark="JSON with refs or keys of Zarr, also within gzip or Zstandard",
        parser="KerchunkParser",
    ),
    Format(
        name="Kerchunk references (Parquet)",
        key="kerchunk-parquet",
        suffixes=(".parquet", ".parq"),
        mark="a directory with .zmetadata alone",
        extra="kerchunk",
        libraries=("pyarrow",),
        parser="KerchunkParser",
    ),
    Format(
        name="safetensors",
        key="safetensors",
        suffixes=(".safetensors",),
        recognise=_is_safetensors,
        mark="eight bytes of length, then {",
        parser="SafetensorsParser",
    ),
    Format(
        name="Parquet file",
        key="parquet",
        suffixes=(".parquet", ".parq"),
        magic=(b"PAR1",),
        advice="It holds columns of records in pages with encodings of their own, of which none is a chunk of an array: read it "
        "with pyarrow, DuckDB or pandas, and write what are arrays as Zarr. If it is a part of Kerchunk references, give the "
        "directory that it lies in.",
    ),
    Format(
        name="Open-Meteo om",
        key="om",
        suffixes=(".om",),
        # Two letters and the version; header and trailer: github.com/open-meteo/om-file-format.
        magic=(b"OM\x01", b"OM\x02", b"OM\x03"),
        advice="Its table of chunks is compressed, and no library gives it out: read it with omfiles, and write Zarr.",
    ),
    Format(
        name="Zarr",
        key="zarr",
        suffixes=(".zarr",),
        mark="a directory with zarr.json, .zgroup or .zarray",
        parser="ZarrParser",
    ),
    Format(
        name="Icechunk",
        key="icechunk",
        suffixes=(".icechunk",),
        mark="a directory with snapshots and refs or repo",
        extra="icechunk",
        libraries=("icechunk",),
        parser="IcechunkParser",
    ),
    Format(
        name="ZIP archive",
        key="zip",
        suffixes=(".zip",),
        magic=(b"PK\x03\x04", b"PK\x05\x06"),
        parser="ZipParser",
    ),
    Format(
        name="gzip-compressed file",
        key="gzip",
        suffixes=(".gz", ".tgz"),
        magic=(b"\x1f\x8b",),
        advice=_UNPACK,
    ),
    Format(
        name="bzip2-compressed file",
        key="bzip2",
        suffixes=(".bz2",),
        magic=(b"BZh",),
        advice=_UNPACK,
    ),
    Format(
        name="xz-compressed file",
        key="xz",
        suffixes=(".xz",),
        magic=(b"\xfd7zXZ\0",),
        advice=_UNPACK,
    ),
    Format(
        name="Zstandard-compressed file",
        key="zstd",
        suffixes=(".zst",),
        magic=(b"\x28\xb5\x2f\xfd",),
        advice=_UNPACK,
    ),
    Format(
        name="HTML page",
        key="html",
        suffixes=(".html", ".htm"),
        recognise=_is_html,
        advice="A server often sends one instead of data that need a login, or when a link has gone: open the url in a browser.",
    ),
    Format(name="XML document", key="xml", suffixes=(".xml",), magic=(b"<?xml",)),
    Format(
        name="Git LFS pointer",
        key="git-lfs",
        magic=(b"version https://git-lfs",),
        advice="It stands for a file that was not fetched: run git lfs pull.",
    ),
)
"""Every format that is told apart, in the order in which first bytes are tried."""
