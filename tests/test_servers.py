"""A real app under a real uvicorn: who held the loop, where and for how long, stall by stall."""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from .calm import in_calm
from .conftest import CHECKOUT, TOLERANCE
from .ports import HOST
from .serving import Server, Visitor, serve

pytestmark = pytest.mark.slow
APP = CHECKOUT / "tests/apps/blocking.py"
SLEEP = "time.sleep(0.15)"
LOADED = {"unknown", "starved", "gil_contention"}  # what a crowded machine may make of a cause


@pytest.fixture(scope="module")
def server(loop: str) -> Iterator[Server]:
    with serve("blocking:app", loop) as server:
        server.get("/good")  # whatever is made late is made now
        yield server


def source_line(function: str, code: str) -> int:
    """Return the line of some code within a function of the app, from its source alone."""
    lines = APP.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if f"def {function}(" in line)
    return next(n for n, line in enumerate(lines) if n > start and code in line) + 1


def check_durations(server: Server, stalls: list[dict[str, Any]]) -> None:
    """Each stall lasted as long as the app itself measured."""
    measured = server.read("measured")
    assert len(stalls) == len(measured)
    for stall, (truth, slack) in zip(stalls, measured, strict=True):
        assert truth - TOLERANCE <= stall["duration"] <= truth + max(TOLERANCE, slack + 0.001)


def check_place(stall: dict[str, Any], function: str, code: str = SLEEP) -> None:
    site = stall["site"]
    assert site["function"] == f"tests.apps.blocking.{function}"
    assert site["file"].endswith("tests/apps/blocking.py")
    assert site["code"] == code
    assert site["line"] == source_line(function, code)
    assert site["exact"] is True


@in_calm
def test_every_call_of_a_blocking_route_is_one_stall(server: Server) -> None:
    """N calls that block 150 ms: N stalls, of the right length, route, coroutine and line."""
    server.clear()
    calls = 12
    for number in range(calls):
        assert server.get(f"/bad/{number}").json() == {"number": number}
    stalls = server.stalls()
    assert len(stalls) == calls
    check_durations(server, stalls)
    for stall in stalls:
        assert stall["route"] == "/bad/{number}"
        assert stall["method"] == "GET"
        assert stall["coroutine"] == "tests.apps.blocking.bad"
        assert stall["cause"] in {"blocking_call", *LOADED}
        assert stall["stack"][-1]["function"] == "tests.apps.blocking.bad"
        check_place(stall, "bad", "time.sleep(0.150)")
        assert abs(stall["started_at"] - time.time()) < 60
    assert stalls == sorted(stalls, key=lambda stall: float(stall["started_at"]))


@in_calm
def test_short_turns_and_short_blocks_are_no_stalls(server: Server) -> None:
    """2,000 callbacks of 0.5 ms in as many ticks hold the loop for a second, but nobody long."""
    server.clear()
    server.get("/turns")
    for _ in range(5):
        server.get("/almost")
    assert server.stalls() == []
    assert len(server.read("measured")) == 5


@in_calm
def test_two_stalls_of_one_request_are_two_records(server: Server) -> None:
    server.clear()
    server.get("/twice")
    stalls = server.stalls()
    check_durations(server, stalls)
    assert [stall["site"]["code"] for stall in stalls] == ["time.sleep(0.12)", "time.sleep(0.17)"]
    assert {stall["route"] for stall in stalls} == {"/twice"}


PLACES = {
    "/shop/items/7/price": ("/shop/items/{item}/price", "price", "price"),
    "/tenants/acme/v1/reports/9": ("/tenants/{tenant}/v1/reports/{report}", "report", "report"),
    "/stream": ("/stream", "slow_parts", "stream"),
    "/background": ("/background", "mail", "background"),
    "/dependency": ("/dependency", "session", "dependency"),
    "/child": ("/child", "child", "parent"),
}


@pytest.mark.parametrize("path", PLACES)
@in_calm
def test_stall_names_route_and_line(server: Server, path: str) -> None:
    """Behind mounts and routers, in streams, dependencies, background and child tasks."""
    server.clear()
    route, function, endpoint = PLACES[path]
    calls = 3
    for _ in range(calls):
        server.get(path)
    stalls = server.stalls()
    assert len(stalls) == calls
    check_durations(server, stalls)
    for stall in stalls:
        assert (stall["method"], stall["route"]) == ("GET", route)
        assert stall["coroutine"] == f"tests.apps.blocking.{endpoint}"
        check_place(stall, function)


@in_calm
def test_websocket_stalls_once_a_message(server: Server) -> None:
    server.clear()
    with connect(f"ws://{HOST}:{server.port}/socket/9", proxy=None) as websocket:
        for number in range(3):
            websocket.send(str(number))
            assert websocket.recv(timeout=10) == str(number)
    stalls = server.stalls()
    check_durations(server, stalls)
    assert len(stalls) == 3
    for stall in stalls:
        assert (stall["method"], stall["route"]) == ("WEBSOCKET", "/socket/{room}")
        check_place(stall, "socket")


@in_calm
def test_callback_outside_requests_is_nobodys_route(server: Server) -> None:
    server.clear()
    for _ in range(3):
        server.get("/later")
        time.sleep(0.4)
    stalls = server.stalls()
    assert len(stalls) == 3
    check_durations(server, stalls)
    for stall in stalls:
        assert (stall["method"], stall["route"]) == (None, None)
        check_place(stall, "callback")


@in_calm
def test_python_code_on_the_cpu_is_cpu(server: Server) -> None:
    server.clear()
    for _ in range(3):
        server.get("/computing")
    stalls = server.stalls()
    assert len(stalls) == 3
    check_durations(server, stalls)
    for stall in stalls:
        assert stall["cause"] in {"cpu", *LOADED}
        assert stall["site"]["function"] == "tests.apps.blocking.computing"
    assert "cpu" in {stall["cause"] for stall in stalls}


@in_calm
def test_bad_route_is_blamed_whatever_else_is_in_flight(server: Server) -> None:
    """32 clients on good routes, one on the bad one: every stall is the bad one's."""
    server.clear()
    calls = 8
    asyncio.run(busy_tick(server, calls))
    stalls = server.stalls()
    assert [stall["route"] for stall in stalls] == ["/bad/{number}"] * calls
    assert {stall["coroutine"] for stall in stalls} == {"tests.apps.blocking.bad"}
    for stall in stalls:
        check_place(stall, "bad", "time.sleep(0.150)")
    check_durations(server, stalls)


async def busy_tick(server: Server, calls: int) -> None:
    done = asyncio.Event()

    async def good() -> None:
        visitor = await Visitor.to(server)
        while not done.is_set():
            await visitor.get("/good")
            await asyncio.sleep(0.05)
        await visitor.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(32):
            group.create_task(good())
        visitor = await Visitor.to(server)
        for number in range(calls):
            await visitor.get(f"/bad/{number}")
            await asyncio.sleep(0.03)
        await visitor.close()
        done.set()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
@in_calm
def test_eager_tasks_know_whose_turn_it_is(loop: str) -> None:
    """Under an eager task factory a request starts inside the server's own callback."""
    with serve("blocking:app", loop, EAGER="1") as server:
        if server.get("/good").status_code != 200:
            pytest.skip("uvloop itself refuses eager tasks on this Python")
        server.clear()
        for number in range(5):
            server.get(f"/bad/{number}")
        server.get("/child")
        server.get("/dependency")
        stalls = server.stalls()
        check_durations(server, stalls)
        routes = [stall["route"] for stall in stalls]
        assert routes == ["/bad/{number}"] * 5 + ["/child", "/dependency"]
        functions = [stall["site"]["function"].rpartition(".")[2] for stall in stalls]
        assert functions == ["bad"] * 5 + ["child", "session"]


@pytest.mark.parametrize("path", ["/bad/1", "/child", "/later"])
@in_calm
def test_debug_mode_counts_no_stall_twice(debugged: Server, path: str) -> None:
    """asyncio's own warning about a slow callback becomes a stall only if nobody saw it."""
    calls = 3
    debugged.clear()
    for _ in range(calls):
        debugged.get(path)
        time.sleep(0.35)
    stalls = debugged.stalls()
    assert len(stalls) == calls
    check_durations(debugged, stalls)
    assert {stall["site"]["code"] for stall in stalls} <= {SLEEP, "time.sleep(0.150)"}


@pytest.fixture(scope="module")
def debugged(loop: str) -> Iterator[Server]:
    with serve("blocking:app", loop, DEBUG="1") as server:
        for path in ("/good", "/child", "/later"):
            server.get(path)
        time.sleep(0.5)
        yield server
