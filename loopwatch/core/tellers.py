"""Methods to call when the interpreter says so, behind one hook that cannot be taken away."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakMethod

Tell = Callable[[], None]


class Tellers:
    """Calls methods whose objects still live; `arm` sets the hook, as the first of them comes."""

    def __init__(self, arm: Callable[[Tell], object]) -> None:
        self._arm = arm
        self._armed = False
        self._known: list[WeakMethod[Tell]] = []

    def add(self, tell: Tell) -> None:
        self._known[:] = [known for known in self._known if known() not in (None, tell)]
        self._known.append(WeakMethod(tell))
        if not self._armed:
            self._arm(self._tell)
            self._armed = True

    def _tell(self) -> None:
        for known in self._known:
            tell = known()
            if tell is not None:
                tell()
