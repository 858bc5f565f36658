"""Virtual datasets written: to Icechunk, and as Kerchunk references."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vzlab.errors import MissingDependencyError

if TYPE_CHECKING:
    from vzlab.writers.containers import chunk_prefixes, icechunk_credentials, open_icechunk
    from vzlab.writers.icechunk import IcechunkWrite, write_icechunk
    from vzlab.writers.kerchunk import write_kerchunk
    from vzlab.writers.relocation import Relocation, relocate

_HOMES = {
    "IcechunkWrite": "icechunk",
    "Relocation": "relocation",
    "chunk_prefixes": "containers",
    "icechunk_credentials": "containers",
    "open_icechunk": "containers",
    "relocate": "relocation",
    "write_icechunk": "icechunk",
    "write_kerchunk": "kerchunk",
}

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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{home}")
    except ModuleNotFoundError as error:
        if error.name == "icechunk":
            raise MissingDependencyError(
                "icechunk", extra="icechunk", purpose="Writing and reading Icechunk"
            ) from error
        raise
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
