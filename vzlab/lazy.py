"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

from vzlab.errors import MissingDependencyError


def lazy_names(
    package: str,
    members: Mapping[str, Collection[str]],
    *,
    extra: str = "",
    libraries: Collection[str] = (),
    purpose: str | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Give a package its ``__getattr__`` and ``__dir__`` (PEP 562).

    It is called beside ``if TYPE_CHECKING:``, whose imports tell type checkers and editors the same names: since they see no
    ``__getattr__``, a wrong name is an error to them.

    Parameters
    ----------
    package : str
        Its ``__name__``; its ``__all__`` is what ``dir`` lists.
    members : mapping of str to collection of str
        Names by the module that has them, such as ``"array"`` or ``"hdf5.parser"``, counted from the package; those at ``"."``
        are modules of the package themselves.
    extra : str
        What installs `libraries`.
    libraries : collection of str
        Optional libraries that these modules import: one that is missing is told with the extra.
    purpose : str, optional
        What needs them, for that message; None is the name that was asked for.
    """
    homes = {name: home for home, names in members.items() for name in names}

    def get(name: str) -> Any:
        if name not in homes:
            # With both, Python suggests the name that was meant.
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package]
            )
        is_module = homes[name] == "."
        try:
            module = import_module(f"{package}.{name if is_module else homes[name]}")
        except ModuleNotFoundError as error:
            if error.name is None or error.name not in libraries:
                raise
            raise MissingDependencyError(
                error.name, extra=extra, purpose=purpose or f"{package}.{name}"
            ) from error
        return module if is_module else getattr(module, name)

    def listed() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return get, listed
