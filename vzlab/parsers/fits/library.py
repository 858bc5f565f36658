"""astropy's reader of FITS headers and data, or the news of which extra brings it."""

from __future__ import annotations

from vzlab.errors import MissingDependencyError

try:
    from astropy.io import fits
except ImportError as error:
    raise MissingDependencyError("astropy", extra="fits", purpose="Parsing FITS") from error

__all__ = ["fits"]
