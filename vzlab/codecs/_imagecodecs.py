"""The imagecodecs library, or the news of which extra brings it."""

from __future__ import annotations

from vzlab.errors import MissingDependencyError

try:
    import imagecodecs
except ImportError as error:
    raise MissingDependencyError("imagecodecs", extra="hdf5", purpose="Decoding this compression") from error

__all__ = ["imagecodecs"]
