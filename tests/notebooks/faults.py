"""Faults in the library or in the data, as code that a kernel runs before the first cell; each changes what a notebook shows."""

from __future__ import annotations

BYTES, READY = "01-a-file-is-bytes", "00-ready"

_REFERENCE = """
from dataclasses import replace
from vzlab.manifests import ChunkManifest
right = ChunkManifest.reference
ChunkManifest.reference = lambda self, index: wrong(right(self, index))
"""

FAULTS: dict[str, tuple[str, str]] = {
    "references begin a byte late": (
        BYTES,
        _REFERENCE + "wrong = lambda found: replace(found, offset=found.offset + 1)",
    ),
    "references end a byte early": (
        BYTES,
        _REFERENCE + "wrong = lambda found: replace(found, length=found.length - 1)",
    ),
    "neighbouring chunks are swapped": (
        BYTES,
        """
from vzlab.manifests import ChunkManifest
right = ChunkManifest.reference
swapped = {(0, 1, 1): (0, 1, 2), (0, 1, 2): (0, 1, 1)}
ChunkManifest.reference = lambda self, index: right(self, swapped.get(tuple(index), index))
""",
    ),
    "a step of decoding is forgotten": (
        BYTES,
        """
from vzlab.codecs import hdf5_filters
hdf5_filters._CONVERTERS[hdf5_filters.SHUFFLE] = lambda f, chunk: (None, chunk.n_bytes)
""",
    ),
    "the archive has other values": (
        BYTES,
        """
from vzlab.samples import daily
right = daily._temperature
daily._temperature = lambda *given: right(*given) + 0.01
""",
    ),
    "the archive has another scale": (
        BYTES,
        """
from vzlab.samples import daily
right = daily._write_day
daily._write_day = lambda *given, scale, **options: right(*given, scale=scale * 2, **options)
""",
    ),
    "a picture is lost": (
        BYTES,
        """
import re
from vzlab.inspection import Inspection
right = Inspection._repr_html_
Inspection._repr_html_ = lambda self: re.sub("<img[^>]*>", "", right(self), count=1)
""",
    ),
    "requests are counted wrong": (
        BYTES,
        """
from dataclasses import replace
from vzlab import inspection
right = inspection.cost
inspection.cost = lambda *given: replace(right(*given), n_requests=2)
""",
    ),
    "another day is missing": (
        READY,
        """
from vzlab import samples
samples.make_daily_archive.__kwdefaults__["missing"] = 4
""",
    ),
    "an extra does not work": (
        READY,
        """
from vzlab.learn import trials
def fail(folder):
    raise ValueError("What was read is not what was written.")
trials.TRIALS["icechunk"] = (trials.TRIALS["icechunk"][0], fail)
""",
    ),
    "a right answer is refused": (
        READY,
        """
from vzlab.learn.exercises import n00
n00._MISSING_DAY = 10
""",
    ),
}
"""By name: the notebook that must fail, and the code."""
