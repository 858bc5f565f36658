"""Something to do as soon as a library is imported, whoever imports it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # `importlib.abc` takes longer to import than all else that `import vzlab` does.
    Loader = MetaPathFinder = object


def on_import(library: str, action: Callable[[], object]) -> None:
    """Do something at once where a library is imported already, else right after it will have been.

    Parameters
    ----------
    library : str
        A package, such as ``"xarray"``.
    action : callable
        What it raises ends the import.
    """
    if library in sys.modules:
        action()
    else:
        sys.meta_path.insert(0, _Finder(library, action))


class _Finder(MetaPathFinder):
    """Leaves finding to the finders behind it, and has the loader that they find do the action as well."""

    def __init__(self, library: str, action: Callable[[], object]) -> None:
        self._library = library
        self._action = action

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._library or self not in sys.meta_path:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self._finish)
                return spec
        return None

    def _finish(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self._action()


class _Loader(Loader):
    """Loads as another loader does, and leaves the module to that one before anyone sees it."""

    def __init__(self, loader: Loader, finish: Callable[[], object]) -> None:
        self._loader = loader
        self._finish = finish

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._finish()
