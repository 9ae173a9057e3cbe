"""Loops that do not exist yet: `with Watch(): asyncio.run(main())`.

While a watch waits for loops, some functions are patched so that they report each loop about to
run: `asyncio.Runner.run`, `BaseEventLoop.run_forever` and, once uvloop is imported,
`uvloop.Loop.run_forever`. (uvloop's own loop class is compiled; its Python subclass is patched.)
nest_asyncio replaces the first two, and runs a loop without them. Whoever runs a loop of asyncio's
own says so to `asyncio.events._set_running_loop`, which is patched too.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

from loopwatch.core.guard import log_once
from loopwatch.core.restoring import restore

Adopter = Callable[[Any], None]

_adopters: list[Adopter] = []
_patches: list[tuple[Any, str, Any, Any]] = []  # class, name, original, ours


def adopt_loops(adopter: Adopter) -> None:
    """Call `adopter(loop)` in the loop's thread whenever a loop starts to run."""
    _adopters.append(adopter)
    if not _patches:
        _patch(asyncio.Runner, "run", lambda runner: runner.get_loop())
        _patch(asyncio.BaseEventLoop, "run_forever", lambda loop: loop)
        _patch(asyncio.events, "_set_running_loop", lambda loop: loop)
        adopt_uvloops()


def adopt_uvloops() -> None:
    """Report uvloop's loops too, where it has been imported since `adopt_loops`."""
    owner = getattr(sys.modules.get("uvloop"), "Loop", None)
    if owner is not None and _patches and all(patched[0] is not owner for patched in _patches):
        _patch(owner, "run_forever", lambda loop: loop)


def stop_adopting(adopter: Adopter) -> None:
    """Undo `adopt_loops`; without adopters left, restore the original methods."""
    if adopter in _adopters:
        _adopters.remove(adopter)
    while _patches and not _adopters:
        owner, name, before, ours = _patches.pop()
        restore(owner, name, ours, before)


def _patch(owner: Any, name: str, loop_of: Callable[[Any], Any]) -> None:
    run = getattr(owner, name)

    @functools.wraps(run)
    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        _tell(loop_of, self)
        return run(self, *args, **kwargs)

    _patches.append((owner, name, vars(owner).get(name), told))
    setattr(owner, name, told)


def _tell(loop_of: Callable[[Any], Any], self: Any) -> None:
    try:
        loop = loop_of(self)
        for adopter in _adopters if loop is not None else ():
            adopter(loop)
    except Exception:  # a closed runner, for example: its own `run` raises next
        log_once("loopwatch.loop.adoption")
