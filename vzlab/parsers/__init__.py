"""One parser for each format: from a url to a tree of virtual arrays."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vzlab.detection import Format, no_parser
from vzlab.parsers.base import Parser

if TYPE_CHECKING:
    from vzlab.parsers.dmrpp.parser import DMRPPParser
    from vzlab.parsers.envi import ENVIParser
    from vzlab.parsers.fits.parser import FITSParser
    from vzlab.parsers.grib.parser import GRIBParser
    from vzlab.parsers.hdf4.parser import HDF4Parser
    from vzlab.parsers.hdf5.parser import HDF5Parser
    from vzlab.parsers.icechunk import IcechunkParser
    from vzlab.parsers.kerchunk.parser import KerchunkParser
    from vzlab.parsers.netcdf3.parser import NetCDF3Parser
    from vzlab.parsers.nifti import NIfTIParser
    from vzlab.parsers.safetensors import SafetensorsParser
    from vzlab.parsers.tiff.parser import TIFFParser
    from vzlab.parsers.zarr.parser import ZarrParser
    from vzlab.parsers.zip.parser import ZipParser

__all__ = [
    "DMRPPParser",
    "ENVIParser",
    "FITSParser",
    "GRIBParser",
    "HDF4Parser",
    "HDF5Parser",
    "IcechunkParser",
    "KerchunkParser",
    "NIfTIParser",
    "NetCDF3Parser",
    "Parser",
    "SafetensorsParser",
    "TIFFParser",
    "ZarrParser",
    "ZipParser",
    "parser_for",
]

_HOMES = {
    "DMRPPParser": "vzlab.parsers.dmrpp.parser",
    "ENVIParser": "vzlab.parsers.envi",
    "FITSParser": "vzlab.parsers.fits.parser",
    "GRIBParser": "vzlab.parsers.grib.parser",
    "HDF4Parser": "vzlab.parsers.hdf4.parser",
    "HDF5Parser": "vzlab.parsers.hdf5.parser",
    "IcechunkParser": "vzlab.parsers.icechunk",
    "KerchunkParser": "vzlab.parsers.kerchunk.parser",
    "NIfTIParser": "vzlab.parsers.nifti",
    "NetCDF3Parser": "vzlab.parsers.netcdf3.parser",
    "SafetensorsParser": "vzlab.parsers.safetensors",
    "TIFFParser": "vzlab.parsers.tiff.parser",
    "ZarrParser": "vzlab.parsers.zarr.parser",
    "ZipParser": "vzlab.parsers.zip.parser",
}


def parser_for(format_: Format) -> type[Parser]:
    """The parser class of a format.

    Raises
    ------
    UnsupportedFormatError
        If there is none.
    """
    if format_.parser is None:
        raise no_parser(format_)
    found: type[Parser] = __getattr__(format_.parser)
    return found


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
