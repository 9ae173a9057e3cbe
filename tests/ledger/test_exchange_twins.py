"""What the compiled exchange ends by itself, and what Python makes of it, to the last bit.

What `finish_request` has ended in this process is played back to `finish` of Python in one without
the compiled twin.
"""

import json
import random
from contextvars import Context
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.core.request import REQUEST, Request
from loopwatch.ledger import request_table
from loopwatch.ledger.request_row import RequestRow
from loopwatch.ledger.step_table import FIRST, StepTable
from tests.ledger.made_requests import begun
from tests.ledger.twins import FINE, in_python, needs_both, speedups, state_of, state_of_request

STEPS = (
    5e-324,
    FINE,
    2.0**-11,
    2.0**-10,
    FIRST,
    0.25,
    1024.0,
)  # s from one clock reading to the next
ENDS = 240
KEPT = (
    "started",
    "seconds",
    "steps",
    "stepped",
    "queued",
    "stalled",
    "pooled",
    "responded",
    "settled",
)


def a_row() -> RequestRow:
    row = RequestRow("/row", "GET", "row", StepTable().none, lambda *_: None)
    row.door = None
    return row


def exchanged(seed: int) -> tuple[dict[str, Any], list[Any]]:
    """Have one call of an app ended by the compiled exchange; return what it was given, and what
    became of it."""
    from tests.native.made import a_front, a_state, receive

    dice, state, row = random.Random(seed), a_state(), a_row()
    given: dict[str, Any] = {}
    ended: list[Request] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = REQUEST.get()
        ended.append(request)
        for _ in range(dice.choice((0, 0, 0, 1, 7))):
            request.steps += 1
            request.seconds += dice.randrange(200) * FINE
        if dice.random() < 0.2:
            request.add_long_step(dice.choice((FIRST, 2.0**-6, 4.0)))
        if dice.random() < 0.2:
            request.queued = dice.choice((0.0, FIRST, 0.5))
        if dice.random() < 0.2:
            request.stalled, request.pooled = (
                dice.choice((0.0, 2.0**-10, 5e4)),
                dice.choice((0.0, 0.5)),
            )
        if dice.random() < 0.6:
            await send({"type": "http.response.body"})
        for _ in range(dice.randrange(3)):
            speedups.clock()
        if dice.random() < 0.4:
            state.mark = speedups.clock()  # as if this were a later step
        given.update({name: getattr(request, name) for name in KEPT})
        given.update(times=[*request.times], mark=state.mark)

    async def send(message: Any) -> None: ...

    front = a_front(app, state=state)
    row.door = front
    front.remember(None, SimpleNamespace(finish=None), state, {"row": row}, None, print)
    state.mark = 0.0
    speedups.set_clock_step(dice.choice(STEPS))
    try:
        scope = {"type": "http", "method": "GET", "endpoint": "row"}
        with pytest.raises(StopIteration):
            Context().run(front(scope, receive, send).send, None)
    finally:
        speedups.set_clock_step(0.0)
    (request,) = ended
    given["ended"] = request.ended
    return given, [state_of(row), state_of_request(request)]


def played_back(given: dict[str, Any]) -> tuple[bool, list[Any]]:
    """End the same request as Python does; return whether `finish` sufficed, and the outcome."""
    row, request = a_row(), begun(0.0)
    for name in KEPT:
        if given[name] or name not in ("stalled", "pooled"):
            setattr(request, name, given[name])
    for took in given["times"]:
        request.add_long_step(took)
    now, rows = given["ended"], {"row": row}
    began = max(given["mark"], given["started"])
    request_table.clock = lambda: now  # type: ignore[attr-defined]
    quick = request_table.finish(SimpleNamespace(mark=given["mark"], limit=FIRST), rows, request)
    if not quick:
        assert request_table.add_to_known(rows, request, now, now - began)
    return quick, [state_of(row), state_of_request(request)]


@needs_both
def test_what_the_exchange_ends_by_itself_is_what_python_makes_of_it() -> None:
    given, mine = zip(*map(exchanged, range(ENDS)), strict=True)
    pythons = in_python(__name__, "[*map(played_back, json.loads(sys.argv[1]))]", json.dumps(given))
    for seed, (one, (_, other)) in enumerate(zip(mine, pythons, strict=True)):
        assert json.loads(json.dumps(one)) == other, (seed, given[seed])
    quick = sum(is_quick for is_quick, _ in pythons)
    assert ENDS / 10 < quick < ENDS * 9 / 10  # both ways of Python were taken
    assert any(each["responded"] for each in given)
    assert any(each["ended"] == each["started"] for each in given)
