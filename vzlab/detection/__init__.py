"""Which format a file is of."""

from vzlab.detection.detect import PARSER_GROUP, detect_format, installed_formats, is_icechunk, no_parser
from vzlab.detection.table import FORMATS, Format

__all__ = [
    "FORMATS",
    "PARSER_GROUP",
    "Format",
    "detect_format",
    "installed_formats",
    "is_icechunk",
    "no_parser",
]
