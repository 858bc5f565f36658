"""One of every view, made of small archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vzlab as vz
from tests.render.test_views import golden_group


def every_view(folder: Path) -> dict[str, Any]:
    """Give everything that shows itself, by name."""
    archive = vz.samples.make_daily_archive(folder / "archive")
    first, odd = archive.files[0], archive.odd_file
    with vz.record("opened") as recording:
        vz.open_virtual_dataset(first)
    return {
        "inspect": vz.inspect(first),
        "inspect tree": vz.inspect(golden_group()),
        "trace": vz.trace(first, "sst", (0, 10, 10)),
        "cost": vz.cost(first, "sst", (0, slice(None), 3)),
        "record": recording,
        "diff": vz.diff(first, odd),
        "check": vz.check_combine(archive.files),
        "compare": vz.compare(vz.open_group(first), [first]),
        "compare odd": vz.compare(vz.open_group(first), [odd]),
        "verify": vz.verify(first),
        "plan": vz.reencode_plan(archive.files),
        "fingerprint": vz.fingerprint(first, sample=2),
    }
