"""Memory that is read into again and again: new memory takes as long as reading into it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt


class ReusedMemory:
    """Gives arrays one after another, each in the place of the one before where that was no smaller."""

    def __init__(self) -> None:
        self._held: npt.NDArray[Any] = np.empty(0)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """An array of any content, for as long as no other is asked for."""
        n = math.prod(shape)
        if self._held.dtype != dtype or self._held.size < n:
            self._held = np.empty(n, dtype)
        return self._held[:n].reshape(shape)
