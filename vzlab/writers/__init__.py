"""Virtual datasets written: to Icechunk, and as Kerchunk references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vzlab.lazy import lazy_names

if TYPE_CHECKING:
    from vzlab.writers.containers import chunk_prefixes, icechunk_credentials, open_icechunk
    from vzlab.writers.icechunk import IcechunkWrite, write_icechunk
    from vzlab.writers.kerchunk import write_kerchunk
    from vzlab.writers.relocation import Relocation, relocate
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "containers": ("chunk_prefixes", "icechunk_credentials", "open_icechunk"),
            "icechunk": ("IcechunkWrite", "write_icechunk"),
            "kerchunk": ("write_kerchunk",),
            "relocation": ("Relocation", "relocate"),
        },
        extra="icechunk",
        libraries=("icechunk",),
        purpose="Writing and reading Icechunk",
    )

__all__ = [
    "IcechunkWrite",
    "Relocation",
    "chunk_prefixes",
    "icechunk_credentials",
    "open_icechunk",
    "relocate",
    "write_icechunk",
    "write_kerchunk",
]
