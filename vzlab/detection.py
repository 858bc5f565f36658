"""Which format a file is of: its first bytes say so, its suffix only where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vzlab.errors import CorruptFileError, MissingDependencyError, SourceNotFoundError, UnsupportedFormatError
from vzlab.storage import Source, StoreRegistry, as_registry, local_path, normalize_url, url_name
from vzlab.storage.unpacking import unpack

_HDF5 = b"\x89HDF\r\n\x1a\n"
_HEAD_BYTES = 4096
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
_PACKED_HEAD_BYTES = 160_000
"""No block of Zstandard is longer (RFC 8878, 3.1.1.2.4: 128 KiB)."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of files, or of directories."""

    name: str
    """In words, as people call it."""
    key: str
    """For programs."""
    suffixes: tuple[str, ...] = ()
    """Common endings of names, lower case."""
    recognise: Callable[[bytes], bool] | None = None
    """Whether a file begins like this; None for what is no file or has no mark."""
    parser: str | None = None
    """Name of the parser in `vzlab.parsers`, if there is one."""
    advice: str = ""
    """What to do with it where there is no parser."""


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _is_kerchunk(head: bytes) -> bool:
    start = head.lstrip()[:_HEAD_BYTES]
    return start.startswith((b"{", b"[")) and any(mark in start for mark in _KERCHUNK_MARKS)


def _is_packed_kerchunk(source: Source, head: bytes) -> bool:
    """Whether gzip or Zstandard hold references, which are read as they are."""
    if not head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return False
    packed = source.read(0, min(_PACKED_HEAD_BYTES, source.size_bytes))
    try:
        return _is_kerchunk(unpack(packed, _HEAD_BYTES, url=source.url, whole=False))
    except (CorruptFileError, MissingDependencyError):
        return False


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


_NOT_YET = (
    "vzlab has no parser for it yet: give one as parser=..., any callable (url, registry) -> ManifestGroup."
)
_UNPACK = "Unpack it first: chunks inside of it cannot be referenced."

FORMATS = (
    Format(
        name="HDF5",
        key="hdf5",
        suffixes=(".h5", ".hdf5", ".he5", ".nc", ".nc4", ".nwb", ".mat", ".hdf"),
        recognise=_begins(_HDF5),
        parser="HDF5Parser",
    ),
    Format(
        name="netCDF-3",
        key="netcdf3",
        suffixes=(".nc", ".nc3", ".cdf"),
        recognise=_begins(b"CDF\x01", b"CDF\x02", b"CDF\x05"),
        parser="NetCDF3Parser",
    ),
    Format(
        name="TIFF",
        key="tiff",
        suffixes=(".tif", ".tiff", ".cog"),
        recognise=_begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        parser="TIFFParser",
    ),
    Format(
        name="GRIB",
        key="grib",
        suffixes=(".grib", ".grib1", ".grib2", ".grb", ".grb2", ".gb2"),
        recognise=_is_grib,
        parser="GRIBParser",
    ),
    Format(
        name="FITS",
        key="fits",
        suffixes=(".fits", ".fit", ".fts", ".fits.gz"),
        recognise=_is_fits,
        parser="FITSParser",
    ),
    Format(name="ENVI header", key="envi", suffixes=(".hdr",), recognise=_is_envi, parser="ENVIParser"),
    Format(name="NIfTI", key="nifti", suffixes=(".nii",), recognise=_is_nifti, parser="NIfTIParser"),
    Format(
        name="HDF4",
        key="hdf4",
        suffixes=(".hdf", ".hdf4"),
        recognise=_begins(b"\x0e\x03\x13\x01"),
        parser="HDF4Parser",
    ),
    Format(name="DMR++", key="dmrpp", suffixes=(".dmrpp",), recognise=_is_dmrpp, parser="DMRPPParser"),
    Format(
        name="Kerchunk references (JSON)",
        key="kerchunk",
        suffixes=(".json",),
        recognise=_is_kerchunk,
        parser="KerchunkParser",
    ),
    Format(
        name="Kerchunk references (Parquet)",
        key="kerchunk-parquet",
        suffixes=(".parquet", ".parq"),
        parser="KerchunkParser",
    ),
    Format(
        name="safetensors",
        key="safetensors",
        suffixes=(".safetensors",),
        recognise=_is_safetensors,
        parser="SafetensorsParser",
    ),
    Format(
        name="Open-Meteo om",
        key="om",
        suffixes=(".om",),
        # Two letters and the version; header and trailer: github.com/open-meteo/om-file-format.
        recognise=_begins(b"OM\x01", b"OM\x02", b"OM\x03"),
        advice="Its table of chunks is compressed, and no library gives it out: read it with omfiles, write Zarr.",
    ),
    Format(name="Zarr", key="zarr", suffixes=(".zarr",), parser="ZarrParser"),
    Format(name="Icechunk", key="icechunk", suffixes=(".icechunk",), parser="IcechunkParser"),
    Format(
        name="ZIP archive",
        key="zip",
        suffixes=(".zip",),
        recognise=_begins(b"PK\x03\x04", b"PK\x05\x06"),
        parser="ZipParser",
    ),
    Format(
        name="gzip-compressed file",
        key="gzip",
        suffixes=(".gz", ".tgz"),
        recognise=_begins(b"\x1f\x8b"),
        advice=_UNPACK,
    ),
    Format(
        name="bzip2-compressed file",
        key="bzip2",
        suffixes=(".bz2",),
        recognise=_begins(b"BZh"),
        advice=_UNPACK,
    ),
    Format(
        name="xz-compressed file",
        key="xz",
        suffixes=(".xz",),
        recognise=_begins(b"\xfd7zXZ\0"),
        advice=_UNPACK,
    ),
    Format(
        name="Zstandard-compressed file",
        key="zstd",
        suffixes=(".zst",),
        recognise=_begins(b"\x28\xb5\x2f\xfd"),
        advice=_UNPACK,
    ),
    Format(
        name="HTML page",
        key="html",
        suffixes=(".html", ".htm"),
        recognise=_is_html,
        advice="A server often sends one instead of data that need a login, or when a link has gone: open the url in a browser.",
    ),
    Format(name="XML document", key="xml", suffixes=(".xml",), recognise=_begins(b"<?xml")),
    Format(
        name="Git LFS pointer",
        key="git-lfs",
        recognise=_begins(b"version https://git-lfs"),
        advice="It stands for a file that was not fetched: run git lfs pull.",
    ),
)
"""Every format that is told apart, in the order in which first bytes are tried."""

_BY_KEY = {format_.key: format_ for format_ in FORMATS}

# Where nothing is listed: consolidated metadata alone is Kerchunk's; Icechunk's specification 2 and 1.
_REMOTE_MARKS = {
    ".zmetadata": "kerchunk-parquet",
    "repo": "icechunk",
    "refs/branch.main/ref.json": "icechunk",
}

# What lies in a directory that is a store.
_STORE_MARKS = {
    "zarr.json": "zarr",
    ".zgroup": "zarr",
    ".zarray": "zarr",
}


def detect_format(url: Any, registry: Any = None) -> Format:
    """Find out which format a file, a directory, or an object that stands for one is of.

    Parameters
    ----------
    url : str or path, dict of Kerchunk references, or object of Icechunk's
    registry : optional
        Anything that `vzlab.storage.as_registry` takes.

    Raises
    ------
    SourceNotFoundError
        If there is nothing at the url.
    UnsupportedFormatError
        If it is empty, or neither its first bytes nor its suffix say what it is.
    """
    if isinstance(url, dict):
        return _BY_KEY["kerchunk"]
    if is_icechunk(url):
        return _BY_KEY["icechunk"]
    stores = as_registry(registry)
    location = normalize_url(url)
    path = local_path(location)
    if path is not None and Path(path).is_dir():
        return _detect_directory(path)
    try:
        source = stores.open(location)
        size = source.size_bytes
    except SourceNotFoundError:
        if path is None and (found := _remote_store(location, stores)) is not None:
            return found
        raise
    head = source.read(0, min(_HEAD_BYTES, size))
    if not head:
        raise UnsupportedFormatError(
            f"{location} is empty (0 bytes). It was not written or fetched to its end."
        )
    if _is_packed_kerchunk(source, head):
        return _BY_KEY["kerchunk"]
    for format_ in FORMATS:
        if format_.recognise is not None and format_.recognise(head):
            return format_
    if _has_hdf5_behind_user_block(source):
        return _BY_KEY["hdf5"]
    by_suffix = _by_suffix(url_name(location))
    if by_suffix is not None and by_suffix.recognise is None:
        return by_suffix
    raise UnsupportedFormatError(_unknown(location, head, by_suffix))


def is_icechunk(x: object) -> bool:
    """Whether it is an object of Icechunk's: a repository, session, store or storage. Imports nothing."""
    return type(x).__module__.partition(".")[0] == "icechunk"


def no_parser(format_: Format) -> UnsupportedFormatError:
    """The error for a file of a format that is known and that nothing here parses."""
    article = "an" if format_.name[0] in "AEIOUH" and not format_.name.startswith("HDF") else "a"
    return UnsupportedFormatError(
        f"Found {article} {format_.name}; parsers exist for {_with_parsers()}. {format_.advice or _NOT_YET}"
    )


def _with_parsers() -> str:
    return ", ".join(format_.name for format_ in FORMATS if format_.parser is not None)


def _by_suffix(name: str) -> Format | None:
    lower = name.lower()
    return next((format_ for format_ in FORMATS if lower.endswith(format_.suffixes or ("\0",))), None)


def _unknown(url: str, head: bytes, by_suffix: Format | None) -> str:
    start = f"{url} begins with {head[:16]!r}, which is the mark of no format known here"
    expected = (
        f"; its name says {by_suffix.name}, whose mark is another: the file is damaged or misnamed"
        if by_suffix is not None
        else ""
    )
    return f"{start}{expected}. Parsers exist for {_with_parsers()}. If it is one of these, fetch it again; else give parser=..."


def _has_hdf5_behind_user_block(source: Source) -> bool:
    """HDF5 specification II.A: the signature may also be at byte 512, 1024, 2048, ..."""
    position = 512
    while position + len(_HDF5) <= source.size_bytes:
        if source.read(position, len(_HDF5)) == _HDF5:
            return True
        position *= 2
    return False


def _detect_directory(path: str) -> Format:
    names = {entry.name for entry in Path(path).iterdir()}
    for mark, key in _STORE_MARKS.items():
        if mark in names:
            return _BY_KEY[key]
    if "snapshots" in names and names & {"refs", "repo"}:
        return _BY_KEY["icechunk"]
    if ".zmetadata" in names:
        # Consolidated metadata without a group beside it: kerchunk writes that, Zarr does not.
        return _BY_KEY["kerchunk-parquet"]
    shown = ", ".join(sorted(names)[:5]) or "nothing"
    raise UnsupportedFormatError(
        f"{path} is a directory that holds {shown}; expected a file, or a Zarr store (zarr.json, .zgroup or .zarray). Give one "
        "file, or several as a list or pattern."
    )


def _remote_store(url: str, registry: StoreRegistry) -> Format | None:
    """Whether keys of a Zarr store lie below a url that is no object itself."""
    for mark, key in (_STORE_MARKS | _REMOTE_MARKS).items():
        try:
            _ = registry.open(f"{url.rstrip('/')}/{mark}").size_bytes
        except (SourceNotFoundError, OSError):
            continue
        return _BY_KEY[key]
    return None
