"""Sample archives made in code: small, made in a second, the same bytes from every run, and laid out as real ones are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vzlab.samples.archive import Archive
from vzlab.samples.cogs import make_cogs
from vzlab.samples.daily import DailyArchive, make_daily_archive
from vzlab.samples.forecast import make_forecast
from vzlab.samples.model_run import make_model_run
from vzlab.samples.scan import make_scan
from vzlab.samples.swath import make_swath

MAKERS: dict[str, Callable[[Path], Any]] = {
    "daily": make_daily_archive,
    "model-run": make_model_run,
    "scan": make_scan,
    "swath": make_swath,
    "forecast": make_forecast,
    "cogs": make_cogs,
}
"""What makes each archive in a folder, by a name for the folder."""

__all__ = [
    "MAKERS",
    "Archive",
    "DailyArchive",
    "make_cogs",
    "make_daily_archive",
    "make_forecast",
    "make_model_run",
    "make_scan",
    "make_swath",
]
