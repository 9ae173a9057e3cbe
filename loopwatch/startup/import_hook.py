"""Calls for modules that have just been imported. This imports nothing of loopwatch.

The import system finds and loads each module as it would without us: the loader's own
`exec_module` is followed by a call, once, and nothing of it stays on the module.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPING = False  # as typing.TYPE_CHECKING, which would have to be imported
if TYPING:
    from collections.abc import Callable
    from typing import Any


class ImportHook:
    """Calls `patches[name](module)` after the module of that name has been imported."""

    def __init__(
        self, patches: dict[str, Callable[[ModuleType], None]], say: Callable[[str], None]
    ) -> None:
        self._patches, self._say = dict(patches), say

    def install(self) -> None:
        """Begin; what has been imported already is patched now."""
        for name in [*self._patches]:
            if name in sys.modules:
                self._patch(name, sys.modules[name])
        sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        """Patch nothing from now on."""
        self._patches.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return what the other finders find; None, and so no answer, for all other modules."""
        if name not in self._patches:
            return None
        for finder in [*sys.meta_path]:
            if finder is not self and (find := getattr(finder, "find_spec", None)) is not None:
                spec = find(name, path, target)
                if spec is not None:
                    self._follow(name, spec.loader)
                    return spec
        return None

    def _follow(self, name: str, loader: Any) -> None:
        """Have one call of a loader's `exec_module` followed by the patch."""
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            execute(module)
            self._patch(name, module)

        try:
            loader.exec_module = exec_module
        except AttributeError:  # a class of a built-in loader, or one with slots
            self._say(f"{name} is loaded in a way that cannot be followed")

    def _patch(self, name: str, module: ModuleType) -> None:
        patch = self._patches.pop(name, None)
        try:
            if patch is not None:
                patch(module)
        except Exception as error:
            self._say(f"{name} is not as expected ({type(error).__name__}: {error})")
