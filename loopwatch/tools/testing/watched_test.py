"""One test under a watch of its own, while it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from loopwatch.core.guard import guarded
from loopwatch.core.record_types import Frame, Stall
from loopwatch.tools.testing import debugger
from loopwatch.tools.testing.judgement import verdict
from loopwatch.tools.testing.own_call import OwnCall, around, holders
from loopwatch.tools.testing.settings import TestSettings
from loopwatch.watch.watch import Watch


class WatchedTest:
    """Watches every loop that runs from `begin` to `end`."""

    def __init__(self, item: Any, settings: TestSettings) -> None:
        self.settings, self.call = settings, OwnCall()
        self.debugged = False
        self._stalls: tuple[Stall, ...] = ()
        self._item = item
        self._put_back: list[Callable[[], None]] = []
        self._watch: Watch | None = None
        self._heirs: list[Watch] = []  # that took loops from it

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """The stalls so far that overlap with the test's own call, allowed ones included."""
        found = self._all_stalls(self._watch) if self._watch is not None else self._stalls
        return tuple(s for s in found if self.call.overlap(s.started_at, s.started_at + s.duration))

    @guarded
    def begin(self) -> None:
        """Begin; if that fails, the test is not watched."""
        if debugger.is_active():
            self.debugged = True
            return
        for owner, name, before in [(o, n, getattr(o, n)) for o, n in holders(self._item)]:
            self._wrap(owner, name, before)
        limit = self.settings.limit
        watch = Watch(slow_callback_duration=limit, registry=None, log=False, otel=False)
        watch.be_guest(self._heirs)  # the code under test may have a watch of its own
        self._watch = watch
        watch.start()

    @guarded
    def end(self) -> None:
        """Put back what was there; the stalls are known from now on."""
        self.debugged = self.debugged or debugger.is_active()
        while self._put_back:
            self._put_back.pop()()
        self.call.end()
        if self._watch is not None:
            watch, self._watch = self._watch, None
            watch.stop()
            self._stalls = tuple(map(bare, self._all_stalls(watch)))
            self._heirs.clear()

    def _all_stalls(self, watch: Watch) -> list[Stall]:
        """Return the stalls of our watch, and of those that took loops from it."""
        return [stall for each in (watch, *self._heirs) for stall in each.stalls]

    def _wrap(self, owner: Any, name: str, before: Any) -> None:
        own = name in vars(owner)
        setattr(owner, name, around(before, self.call))
        if own or owner is self._item:  # the item's is a property
            self._put_back.append(lambda: setattr(owner, name, before))
        else:
            self._put_back.append(lambda: delattr(owner, name))

    def first_line(self) -> Frame | None:
        """Return where the test's function begins."""
        function = inspect.unwrap(getattr(*holders(self._item)[0]))
        code = getattr(function, "__code__", None)
        return Frame(code.co_name, code.co_filename, code.co_firstlineno) if code else None

    def charged(self) -> list[Stall]:
        """Return the stalls that the test answers for, the longest first."""
        if self.debugged:
            return []
        found = [s for s in self.stalls if verdict(s, self.call, self.settings) == "charged"]
        return sorted(found, key=lambda stall: -stall.duration)


def bare(stall: Stall) -> Stall:
    """Return a stall without the frames of the wrapper around the test's function."""
    stack = tuple(f for f in stall.stack if f.file != around.__code__.co_filename)
    return replace(stall, stack=stack)
