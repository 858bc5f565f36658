"""HDF4's run-length coder. HDF Specification and Developer's Guide, chapter 10; crle.c of the library."""

from __future__ import annotations

from vzlab.errors import CorruptFileError, UnvirtualizableError

RUN_LENGTH = "run-length (RLE)"

MAX_UNPACKED_BYTES = 16 * 2**20
"""More is refused: it is decoded run by run, and then held in the manifest."""

_RUN, _COUNT, _SHORTEST_RUN, _SHORTEST_MIX = 0x80, 0x7F, 3, 1


def unpack_runs(packed: bytes, n_bytes: int) -> bytes:
    """Decode to a given number of bytes.

    Raises
    ------
    CorruptFileError
        If there are fewer.
    UnvirtualizableError
        If they are too many to hold.
    """
    if n_bytes > MAX_UNPACKED_BYTES:
        raise UnvirtualizableError(
            f"It is compressed by HDF4's {RUN_LENGTH} coder, and with {n_bytes / 2**20:.0f} MiB it is too large to decode now "
            f"(at most {MAX_UNPACKED_BYTES / 2**20:.0f}); load it instead."
        )
    out = bytearray()
    at = 0
    while len(out) < n_bytes and at + 1 < len(packed):
        control = packed[at]
        if control & _RUN:
            # A byte and how often it comes.
            out += packed[at + 1 : at + 2] * ((control & _COUNT) + _SHORTEST_RUN)
            at += 2
        else:
            length = (control & _COUNT) + _SHORTEST_MIX
            out += packed[at + 1 : at + 1 + length]
            at += 1 + length
    if len(out) < n_bytes:
        raise CorruptFileError(f"Its runs make up {len(out)} bytes; expected {n_bytes}. The file is damaged.")
    return bytes(out[:n_bytes])
