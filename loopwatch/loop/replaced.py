"""Methods of one instance, replaced and restored.

Usually an attribute of the instance replaces a method. A loop of uvloop has no attributes; with
the first one, CPython looks there for each method that is called: 0.2 to 0.4 % more instructions a
request. So while it is watched it has a class of its own, derived from its usual class, under the
same name, with our methods and nothing else.

Other code may wrap our method and put its own in the place. Then ours stays beneath it for as long
as the instance lives. So ours is told to `forget`: from then on it only calls what it stands for,
and refers to nothing of the watch.

Reading an instance's `__dict__` makes CPython keep one from then on, and look up every attribute
of that instance the slow way: for a loop, 6 % more instructions a request. So this code does not
read it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from loopwatch.core.restoring import restore


def of_instance(thing: Any, name: str) -> Any:
    """Return an instance's own attribute; None if the name leads to its class's method."""
    found = getattr(thing, name)
    method: Any = getattr(type(thing), name, None)
    bound = method.__get__(thing, type(thing)) if hasattr(method, "__get__") else method
    return None if found is method or found == bound else found


def running(loop: Any) -> Callable[[], Any]:
    """Return a loop's `run_forever`: its own, else the one that its class has when it is called."""
    own: Callable[[], Any] | None = of_instance(loop, "run_forever")
    return own if own is not None else lambda: usual_class(loop).run_forever(loop)


class PassingOn:
    """Calls a method of ours without arguments; once told to forget, only what it stands for."""

    def __init__(self, ours: Callable[[], Any], original: Callable[[], Any]) -> None:
        self._call, self._original = ours, original

    def __call__(self) -> Any:
        return self._call()

    def forget(self) -> None:
        self._call = self._original


class Replaced:
    """One method of an instance, replaced by ours. Raises AttributeError if it cannot be set."""

    def __init__(self, thing: Any, name: str, ours: Any) -> None:
        self._thing, self._name, self._ours = thing, name, ours
        self._before = of_instance(thing, name)
        setattr(thing, name, ours)

    def put_back(self) -> None:
        """Restore the method, unless other code has replaced ours since; ours forgets the watch."""
        self._ours.forget()
        if getattr(self._thing, self._name) is self._ours:
            if self._before is None:
                delattr(self._thing, self._name)
            else:
                setattr(self._thing, self._name, self._before)


_derived: WeakSet[type] = WeakSet()  # the classes that we have given to loops


def usual_class(loop: Any) -> Any:
    """Return a loop's class as it is when nobody watches the loop."""
    kind: Any = type(loop)
    return kind.__base__ if kind in _derived else kind


def class_of_its_own(loop: Any) -> Any:
    """Give a uvloop loop a class of its own, and return that; None if it cannot have one."""
    usual = type(loop)
    if usual in _derived:
        return usual
    if usual.__module__ != "uvloop" or type(usual) is not type:
        return None
    names = {"__slots__": (), "__module__": usual.__module__, "__qualname__": usual.__qualname__}
    try:
        own = type(usual.__name__, (usual,), names)
        loop.__class__ = own
    except TypeError:  # the memory layout is another one
        return None
    _derived.add(own)
    return own


class ReplacedInClass:
    """One method of a loop, replaced by ours in the loop's own class."""

    def __init__(self, loop: Any, own: Any, name: str, ours: Any) -> None:
        self._loop, self._own, self._name = loop, own, name
        self._before, self._ours = vars(own).get(name), ours
        self._set = staticmethod(ours) if hasattr(ours, "__get__") else ours
        setattr(own, name, self._set)

    def put_back(self) -> None:
        """Restore the method; ours, which other code may have wrapped, forgets the watch."""
        self._ours.forget()
        own = self._own
        restore(own, self._name, self._set, self._before)
        if type(self._loop) is own and vars(own).keys() <= NAMES:
            self._loop.__class__ = own.__base__


NAMES = {"__slots__", "__module__", "__doc__"}  # of a class without methods


def replace(loop: Any, name: str, ours: Any) -> Replaced | ReplacedInClass:
    """Replace one method of a loop. Raises AttributeError if it cannot be set."""
    own = class_of_its_own(loop) if of_instance(loop, name) is None else None
    if own is None:
        return Replaced(loop, name, ours)
    return ReplacedInClass(loop, own, name, ours)
