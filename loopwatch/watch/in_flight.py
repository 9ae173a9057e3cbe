"""The requests of a loop that are in flight, found without a list of them: tasks know theirs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from loopwatch.core.guard import log_once
from loopwatch.core.known_tasks import each_task
from loopwatch.core.request import Request
from loopwatch.core.task_context import context_request
from loopwatch.loop.loop_state import clock

LONG_REQUEST = 1.0  # s of age from which a request is charged before its end
TURN = 0.001  # s that one callback may charge requests


def count_tasks(loop: Any) -> int:
    """Return how many tasks of a loop are not done; any thread may ask."""
    count = 0
    for task in each_task(loop):
        count += 1
        del task  # before the pause
    return count


def requests_in_flight(loop: Any, older_than: float = 0.0) -> set[Request]:
    """Return the requests of a loop, from so many s of age on; any thread may ask."""
    now, found = clock(), set[Request]()
    for task in each_task(loop):
        request = context_request(task)
        del task
        if request is None or request.scope is None:  # none, or ended
            continue
        if now - request.started >= older_than:
            found.add(request)
    return found


class Charging:
    """Has long requests in flight charged for what they have used so far, by the loop itself.

    It is done in short turns, however many there are. While it is under way, asking again changes
    nothing.
    """

    def __init__(self, loop: Any, charge: Callable[[Request], None]) -> None:
        self._loop, self._charge = loop, charge
        self._left: list[Request] = []

    def soon(self) -> None:
        """Begin; any thread may ask."""
        if self._left or self._loop.is_closed():
            return
        self._left = [*requests_in_flight(self._loop, LONG_REQUEST)]
        if self._left:
            with suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._take_turn)

    def _take_turn(self) -> None:
        try:
            self._charge_some(clock() + TURN)
            if self._left:
                self._loop.call_soon(self._take_turn)
        except Exception:
            self._left = []
            log_once("loopwatch.watch.in_flight")

    def _charge_some(self, until: float) -> None:
        left = self._left
        while left and clock() < until:
            self._charge(left.pop())
