"""What was worked out last, kept for the next time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Kept[Value]:
    """Values by what they depend on; the least recently used go first.

    Parameters
    ----------
    n_most : int
        Number of values that are kept.
    """

    def __init__(self, n_most: int) -> None:
        self._n_most = n_most
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value for a key, made unless it is there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._n_most:
                self._values.popitem(last=False)
        return value
