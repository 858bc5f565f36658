"""The tifffile library, or the news of which extra brings it."""

from __future__ import annotations

from vzlab.errors import MissingDependencyError

try:
    import tifffile
except ImportError as error:
    raise MissingDependencyError("tifffile", extra="tiff", purpose="Parsing TIFF") from error

__all__ = ["tifffile"]
