"""STAC: items and collections that describe virtual datasets, and files to open from items."""

from vzlab.errors import MissingDependencyError

try:
    import pystac  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("pystac", extra="stac", purpose="STAC") from error

from vzlab.stac.describing import to_stac_collection, to_stac_item
from vzlab.stac.sources import StacSources, urls_from_stac

__all__ = ["StacSources", "to_stac_collection", "to_stac_item", "urls_from_stac"]
