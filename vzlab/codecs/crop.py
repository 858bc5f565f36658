"""The crop codec: a chunk stored longer than its place in the grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from zarr.abc.codec import ArrayArrayCodec
from zarr.core.common import parse_named_configuration

from vzlab.errors import CodecError

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer

NAME = "vzlab.crop"


@dataclass(frozen=True)
class CropCodec(ArrayArrayCodec):
    """Give the first part of a chunk that is stored at full length.

    HDF5 stores the chunks at an array's edge at full length. When such a chunk lands in the middle of a
    rectilinear grid, its shape there is what it covers, and its bytes decode to `stored_shape`.
    """

    is_fixed_size = True

    stored_shape: tuple[int, ...]

    def __init__(self, *, stored_shape: Iterable[int]) -> None:
        object.__setattr__(self, "stored_shape", tuple(int(length) for length in stored_shape))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make the codec from its entry in Zarr metadata."""
        _, configuration = parse_named_configuration(data, NAME)
        return cls(**configuration)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Give the codec's entry in Zarr metadata."""
        return {"name": NAME, "configuration": {"stored_shape": list(self.stored_shape)}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Give the bytes of the stored shape."""
        n_elements = int(np.prod(chunk_spec.shape, dtype=np.int64))
        if n_elements == 0:
            raise NotImplementedError(f"{NAME} has no size for an empty chunk.")
        return input_byte_length // n_elements * int(np.prod(self.stored_shape, dtype=np.int64))

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Give the spec of the chunk as it is stored.

        Raises
        ------
        CodecError
            The chunk has another number of dimensions than what is stored.
        """
        # zarr-python also asks with the whole array's shape, so only the dimensions can be checked here.
        if len(chunk_spec.shape) != len(self.stored_shape):
            raise self._misfit(chunk_spec.shape)
        return replace(chunk_spec, shape=self.stored_shape)

    def _window(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        if any(place > stored for place, stored in zip(shape, self.stored_shape, strict=True)):
            raise self._misfit(shape)
        return tuple(slice(length) for length in shape)

    def _misfit(self, shape: tuple[int, ...]) -> CodecError:
        return CodecError(
            f"{NAME} found chunks stored as {self.stored_shape} for a place of {shape}; "
            "expected the same number of dimensions and no length beyond what is stored."
        )

    def _decode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        if chunk_spec.shape == self.stored_shape:
            return chunk_array
        return chunk_array[self._window(chunk_spec.shape)]

    def _encode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        if chunk_spec.shape == self.stored_shape:
            return chunk_array
        window = self._window(chunk_spec.shape)
        stored = chunk_spec.prototype.nd_buffer.create(
            shape=self.stored_shape,
            dtype=chunk_array.dtype,
            order="C",
            fill_value=chunk_spec.fill_value,
        )
        stored[window] = chunk_array
        return stored

    async def _decode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._decode_sync(chunk_array, chunk_spec)

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._encode_sync(chunk_array, chunk_spec)
