"""One parser for each format: from a url to a tree of virtual arrays."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from vzlab.detection import PARSER_GROUP, Format, no_parser
from vzlab.lazy import lazy_names
from vzlab.parsers.base import Parser

_HOMES = {
    "DMRPPParser": "dmrpp.parser",
    "ENVIParser": "envi",
    "FITSParser": "fits.parser",
    "GRIBParser": "grib.parser",
    "HDF4Parser": "hdf4.parser",
    "HDF5Parser": "hdf5.parser",
    "IcechunkParser": "icechunk",
    "KerchunkParser": "kerchunk.parser",
    "LINDIParser": "lindi",
    "NIfTIParser": "nifti",
    "NetCDF3Parser": "netcdf3.parser",
    "SafetensorsParser": "safetensors",
    "TIFFParser": "tiff.parser",
    "ZarrParser": "zarr.parser",
    "ZipParser": "zip.parser",
}

if TYPE_CHECKING:
    from vzlab.parsers.dmrpp.parser import DMRPPParser
    from vzlab.parsers.envi import ENVIParser
    from vzlab.parsers.fits.parser import FITSParser
    from vzlab.parsers.grib.parser import GRIBParser
    from vzlab.parsers.hdf4.parser import HDF4Parser
    from vzlab.parsers.hdf5.parser import HDF5Parser
    from vzlab.parsers.icechunk import IcechunkParser
    from vzlab.parsers.kerchunk.parser import KerchunkParser
    from vzlab.parsers.lindi import LINDIParser
    from vzlab.parsers.netcdf3.parser import NetCDF3Parser
    from vzlab.parsers.nifti import NIfTIParser
    from vzlab.parsers.safetensors import SafetensorsParser
    from vzlab.parsers.tiff.parser import TIFFParser
    from vzlab.parsers.zarr.parser import ZarrParser
    from vzlab.parsers.zip.parser import ZipParser
else:
    __getattr__, __dir__ = lazy_names(__name__, {home: (name,) for name, home in _HOMES.items()})

__all__ = [
    "DMRPPParser",
    "ENVIParser",
    "FITSParser",
    "Format",
    "GRIBParser",
    "HDF4Parser",
    "HDF5Parser",
    "IcechunkParser",
    "KerchunkParser",
    "LINDIParser",
    "NIfTIParser",
    "NetCDF3Parser",
    "Parser",
    "SafetensorsParser",
    "TIFFParser",
    "ZarrParser",
    "ZipParser",
    "home_of",
    "parser_for",
]


def parser_for(format_: Format, url: Any = None) -> Callable[..., Any]:
    """What makes the parser of a format: its class, called with ``group``, ``drop_variables`` and its own options.

    Somebody else's may be a class of any kind, or a parser already; of these a group is chosen, and variables are dropped,
    from what they give.

    Parameters
    ----------
    format_ : Format
    url : str, optional
        Of the file, for the message.

    Returns
    -------
    callable
        Gives a parser: ``(url, registry) -> ManifestGroup``.

    Raises
    ------
    UnsupportedFormatError
        If there is none.

    Examples
    --------
    >>> from vzlab.detection import detect_format
    >>> parser_for(detect_format("archive/sst_2025-01-01.nc"), "archive/sst_2025-01-01.nc").__name__
    'HDF5Parser'
    """
    if format_.parser is None:
        raise no_parser(format_, url)
    if format_.parser in _HOMES:
        ours: type[Parser] = getattr(import_module(f"{__name__}.{_HOMES[format_.parser]}"), format_.parser)
        return ours
    theirs = EntryPoint(name=format_.key, value=format_.parser, group=PARSER_GROUP).load()
    if isinstance(theirs, type) and issubclass(theirs, Parser):
        return theirs

    def make(**options: Any) -> Any:
        own = {name: value for name, value in options.items() if name not in ("group", "drop_variables")}
        return theirs(**own) if isinstance(theirs, type) else theirs

    return make


def home_of(format_: Format) -> tuple[str, str] | None:
    """Module and name of what parses a format, without importing it.

    Parameters
    ----------
    format_ : Format

    Returns
    -------
    tuple of str or None
        None of a format that is known and that nothing parses.
    """
    if format_.parser is None:
        return None
    if format_.parser in _HOMES:
        return f"{__name__}.{_HOMES[format_.parser]}", format_.parser
    module, _, name = format_.parser.partition(":")
    return module, name
