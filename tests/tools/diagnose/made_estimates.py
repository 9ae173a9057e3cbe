"""Places where requests wait, and lines of loop time, made by hand."""

from typing import Any

from loopwatch.core.record_types import (
    Frame,
    Holder,
    LoopTimeReading,
    Site,
    WaitReading,
)
from loopwatch.tools.diagnose.estimate_records import LoopLine, WaitReport
from loopwatch.tools.diagnose.report_records import SourceLine

POOL = Site("shop.pool.query", "/app/shop/pool.py", 5, "async with pool:")
HELD = Site("shop.pool.query", "/app/shop/pool.py", 6, "await asyncio.sleep(0.05)")
SQUARES = Site("shop.squares.total", "/app/shop/squares.py", 8, "total += n * n")


def wait(**fields: Any) -> WaitReport:
    given: dict[str, Any] = {
        "route": "/users/{id}",
        "method": "GET",
        "place": POOL,
        "call": "asyncio.locks.Semaphore.acquire",
        "resource": "semaphore",
        "peer": "",
        "seconds": 77.7,
        "of_waiting": 0.88,
        "of_p99": 0.81,
        "at_once": 3.79,
        "most": 19,
        "looks": 312,
        "holders": (
            Holder(task="shop.users", site=HELD, route="/users/{id}", seconds=0.0456),
            Holder(task="shop.sweep", site=HELD),
        ),
        "advice": "The pool has 2 places: give it more.",
        "source": (SourceLine(number=5, text="\tasync with pool:"),),
        "what_if": "With 4 places p99 would be 0.21 s.",
    }
    return WaitReport(**(given | fields))


def loop_line(**fields: Any) -> LoopLine:
    given: dict[str, Any] = {
        "route": "/orders",
        "method": "POST",
        "site": SQUARES,
        "call": "",
        "seconds": 6.54,
        "share": 0.61,
        "samples": 131,
        "step": 0.0083,
        "source": (),
    }
    return LoopLine(**(given | fields))


def wait_reading(**fields: Any) -> WaitReading:
    given: dict[str, Any] = {
        "route": "/good",
        "place": POOL,
        "call": "asyncio.locks.Semaphore.acquire",
        "resource": "semaphore",
        "seconds": 20.0,
        "looks": 200,
        "waiting": 18,
        "most_waiting": 19,
        "holders": (Holder(task="shop.good", site=HELD, route="/good", seconds=0.04),) * 2,
    }
    return WaitReading(**(given | fields))


def loop_time_reading(**fields: Any) -> LoopTimeReading:
    given: dict[str, Any] = {
        "route": "/good",
        "site": SQUARES,
        "stack": (
            Frame("server.serve", "/srv/server.py", 9),
            Frame("shop.good", "/app/shop.py", 3),
            Frame(SQUARES.function, SQUARES.file, SQUARES.line),
        ),
        "seconds": 6.1,
        "samples": 122,
    }
    return LoopTimeReading(**(given | fields))
