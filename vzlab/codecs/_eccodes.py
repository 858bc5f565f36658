"""The eccodes library, or the news of which extra brings it."""

from __future__ import annotations

from vzlab.errors import MissingDependencyError

try:
    import eccodes
except (ImportError, RuntimeError) as error:
    # RuntimeError: the bindings are there, and the compiled library is not.
    raise MissingDependencyError("eccodes", extra="grib", purpose="Decoding GRIB") from error

__all__ = ["eccodes"]
