"""Every framework, under a real uvicorn, on both loops: route, method, coroutine, line and cause.

One process a framework serves its app on one loop after the other (`child.py`); each app is asked
over http and, where the framework has them, by websockets. `python -m tests.frameworks NAME ...`
prints the table.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.calm import begin_again, too_busy
from tests.conftest import LOOPS
from tests.frameworks.playing import PACKAGES, faults, missing_for, play

pytestmark = pytest.mark.slow

ONCE = ("sanic_asgi_app", "mcp_app")  # apps that a process can serve once
HEAVY = ("fastmcp_app",)  # not among the extras: tried by hand
AT_A_TIME = 3
ROUNDS = 3
CALM = 0.05  # s that the threads may wait for a CPU before a wrong cause or line proves nothing
OF_PLACE = ("route", "method", "coroutine", "function")  # these hold on any machine


def loops_of(app: str, loop: str) -> tuple[str, ...]:
    """Return the loops that one process plays an app on, `loop` among them."""
    return (loop,) if app in ONCE else tuple(filter(importlib.util.find_spec, LOOPS))


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest) -> Iterator[dict[Any, Any]]:
    """The apps of all tests that are run, some at a time: they mostly sleep."""
    wanted = [
        (given["app"], loops_of(given["app"], given["loop"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
        for given in [dict[str, Any](item.callspec.params)]
    ]
    here = [key for key in dict.fromkeys(wanted) if not missing_for(key[0])]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {key: pool.submit(play, *key) for key in here}


@pytest.mark.parametrize("app", PACKAGES)
def test_a_framework_s_stalls_are_told_with_route_and_own_coroutine(
    app: str, loop: str, plays: dict[Any, Any]
) -> None:
    if missing := missing_for(app):
        optional = app in HEAVY or sys.version_info >= (3, 14)
        assert optional or os.environ.get("CI") != "true", f"CI must have {missing}"
        pytest.skip(f"not installed: {', '.join(missing)}")
    told, waited = plays[app, loops_of(app, loop)].result()
    for rounds_left in reversed(range(ROUNDS)):
        wrong = [fault for row, found in told[loop].items() for fault in faults(row, found)]
        if not wrong or waited < CALM or not rounds_left:
            break
        begin_again(f"threads waited {waited:.3f} s for a CPU; {wrong}")
        told, waited = play(app, (loop,))
    of_place = [fault for fault in wrong if any(f": {name} " in fault for name in OF_PLACE)]
    if wrong and waited >= CALM and not of_place:
        too_busy(str(wrong))
    assert not wrong
