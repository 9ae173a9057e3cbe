"""Every framework, under a real uvicorn, on both loops: route, method, coroutine, line and cause.

One process a framework serves its app on one loop after the other (`child.py`); each app is asked
over http and, where the framework has them, by websockets. `python -m tests.frameworks NAME ...`
prints the table.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.calm import begin_again, too_busy
from tests.conftest import CHECKOUT, LOOPS, run_to_its_end

pytestmark = pytest.mark.slow

PACKAGES = {  # by app: what it needs beside FastAPI
    "starlette_app": (),
    "fastapi_app": (),
    "litestar_app": ("litestar",),
    "django_app": ("django", "channels"),
    "quart_app": ("quart",),
    "falcon_app": ("falcon",),
    "sanic_asgi_app": ("sanic",),
    "blacksheep_app": ("blacksheep",),
    "connexion_app": ("connexion",),
    "ravyn_app": ("ravyn",),
    "socketio_app": ("socketio",),
    "strawberry_app": ("strawberry",),
    "mcp_app": ("mcp",),
    "fastmcp_app": ("fastmcp",),
    "mounts_app": ("litestar", "django", "channels", "falcon", "connexion", "socketio"),
}
ONCE = ("sanic_asgi_app", "mcp_app")  # apps that a process can serve once
HEAVY = ("fastmcp_app",)  # not among the extras: tried by hand
AT_A_TIME = 3
ROUNDS = 3
CALM = 0.05  # s that the threads may wait for a CPU before a wrong cause or line proves nothing
OF_PLACE = ("route", "method", "coroutine", "function")  # these hold on any machine


def play(app: str, loops: tuple[str, ...]) -> tuple[dict[str, Any], float]:
    """Return what was told of an app by loop and row, and for how long threads had no CPU."""
    command = [sys.executable, "-m", "tests.frameworks.child", app, *loops]
    printed = run_to_its_end(command, 120, PYTHONPATH=str(CHECKOUT)).stdout
    told: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return told, told.pop("waited")


def loops_of(app: str, loop: str) -> tuple[str, ...]:
    """Return the loops that one process plays an app on, `loop` among them."""
    return (loop,) if app in ONCE else tuple(filter(importlib.util.find_spec, LOOPS))


def missing_for(app: str) -> list[str]:
    return [name for name in PACKAGES[app] if importlib.util.find_spec(name) is None]


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


def faults(row: str, found: dict[str, Any]) -> list[str]:
    """Return what is wrong in a row, one sentence each."""
    expected = found["expected"]
    stalls = [stall for stall in found["told"] if stall["function"] == expected["function"]]
    if len(stalls) != 1:
        return [f"{row}: {len(stalls)} stalls, told {found['told']}"]
    wrong = [
        f"{row}: {name} {stalls[0][name]} instead of {expected[name]}"
        for name in expected
        if stalls[0][name] != expected[name]
    ]
    if not found["counted"]:
        wrong.append(f"{row}: its request was counted elsewhere: {found['requests']}")
    return wrong


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
