"""Names for code: `module.qualname`, never a line number."""

from __future__ import annotations

import sys
from functools import partial
from types import CodeType, MethodType
from typing import Any


def code_name(code: CodeType, module: str | None = None) -> str:
    """Return `module.qualname`; a module that is not given is looked up by file."""
    return f"{module or module_of(code.co_filename)}.{code.co_qualname}"


def module_of(filename: str) -> str:
    """Return the name of the loaded module with this file, or the file's stem."""
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == filename:
            return name
    return filename.rsplit("/", 1)[-1].removesuffix(".py")


def module_globals(name: str) -> dict[str, Any]:
    """Return the names in a loaded module, none if it is not loaded."""
    return getattr(sys.modules.get(name), "__dict__", {})


def callable_name(function: Any) -> str:
    """Return `module.qualname` of a function, method, partial or callable object."""
    while issubclass(type(function), partial | MethodType):
        function = function.func if issubclass(type(function), partial) else function.__func__
    if attribute(function, "__qualname__") is None:
        function = type(function)
    return f"{attribute(function, '__module__') or '?'}.{function.__qualname__}"


def attribute(thing: Any, name: str, default: Any = None) -> Any:
    """Return an attribute of an object of the app; `default` if code of the object fails."""
    try:
        return getattr(thing, name, default)
    except Exception:
        return default


def coroutine_name(coroutine: Any) -> str | None:
    """Return `module.qualname` of a coroutine object; of a compiled one, its `__qualname__`."""
    code = coroutine_code(coroutine)
    if code is None:
        return getattr(coroutine, "__qualname__", None)
    frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    return code_name(code, frame.f_globals.get("__name__") if frame else None)


def coroutine_code(coroutine: Any) -> CodeType | None:
    """Return the code object behind a coroutine; None for compiled ones."""
    return getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
