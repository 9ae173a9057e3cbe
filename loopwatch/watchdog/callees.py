"""What runs when an object is called, found without running any code of the object."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)
from typing import Any

WRAPPERS = 8  # wrappers around a function that are looked through
NATIVE = frozenset(
    (
        *(BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, MethodWrapperType),
        *(ClassMethodDescriptorType, type(None)),
    )
)
HEAP = 1 << 9  # flag of classes written in Python; only these have methods written in Python
WITHIN = {  # the attribute that leads to what a wrapper calls
    MethodType: "__func__",
    classmethod: "__func__",
    staticmethod: "__func__",
    functools.partial: "func",
    functools.cached_property: "func",
    functools._lru_cache_wrapper: "__wrapped__",
}
CONSTRUCTORS = ("__new__", "__init__", "__post_init__")
CALLED = {*CONSTRUCTORS, "__call__", "__init_subclass__", "__class_getitem__"}


def codes_of(target: Any) -> Iterator[CodeType]:
    """Return the code objects of the Python functions that a call of an object runs first."""
    for _ in range(WRAPPERS):
        kind = type(target)
        if kind is FunctionType:
            yield target.__code__
            target = target.__dict__.get("__wrapped__")
        elif kind in WITHIN:
            target = getattr(target, WITHIN[kind])
        elif kind in NATIVE or (kind is type and not target.__flags__ & HEAP):
            return
        else:
            break
    else:
        return
    names = CONSTRUCTORS if issubclass(kind, type) else ()
    found = [method(target, name) for name in names] + [method(kind, "__call__")]
    yield from (f.__code__ for f in found if type(f) is FunctionType)


def method(kind: type, name: str) -> object:
    """Return what a class or its bases define under a name, without binding it."""
    for base in kind.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def uncalled(kind: type) -> Iterator[object]:
    """Return the functions of a class that run without a call: its operators and properties."""
    for name, value in tuple(kind.__dict__.items()):
        if type(value) is property:
            yield from (value.fget, value.fset)
        elif type(value) is functools.cached_property or (
            type(value) is FunctionType and name.startswith("__") and name not in CALLED
        ):
            yield value
