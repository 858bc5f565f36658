"""Virtual datasets (VDS): chunks of other datasets, referenced where they fill whole chunks of the virtual one."""

from __future__ import annotations

from typing import Any

from vzlab.errors import UnvirtualizableError


def virtual_layout(layout: Any) -> Any:
    raise UnvirtualizableError("It is a virtual dataset.")
