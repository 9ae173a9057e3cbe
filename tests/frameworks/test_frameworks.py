"""Every framework under its own server, on both loops: stalls, routes, victims, queued time.

One row a route: what a stall in it must say. The last row holds the loop while one request is in
flight and another one is in its socket. The processes of both loops are played at the same time:
what holds them sleeps.
"""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.sync.client import connect

from tests.calm import in_calm
from tests.conftest import CHECKOUT, LOOPS
from tests.ports import HOST, free_port
from tests.serving import Server, launch

pytestmark = pytest.mark.slow

LOADED = {"blocking_call", "unknown", "starved", "gil_contention"}  # on a crowded machine
LONG = 0.25  # s: only holds of the apps' own are that long
BLOCK = 1.0  # s
IN_FLIGHT, SENT, DUE = 0.2, 0.4, 0.6  # s: before the block, into it, and of the other's sleep
NEAR = 0.15  # s: a client of its own is made for each request
HOLDS, BLOCKS = "time.sleep(HOLD)", "time.sleep(float("


class Row(NamedTuple):
    """One request, and what the stall in it must say; `{}` stands for a parameter."""

    call: str
    route: str
    coroutine: str
    function: str
    method: str = "GET"


class Framework(NamedTuple):
    """How an app is asked, and which rows it has."""

    module: str
    parameter: Callable[[str, str], str]  # its way to write one: of a name and a kind
    rows: tuple[Row, ...]
    block: Row
    wait: Row
    sees_sockets: bool = True


def braces(name: str, kind: str) -> str:
    return f"{{{name}}}"


WEB = (
    Row("/items/7", "/items/{}", "Items.get", "Items.get"),
    Row("/below/deep/8", "/below/deep/{}", "Items.get", "Items.get"),
    Row("/parts", "/parts", "parts", "parts"),
    Row("/broken", "/broken", "broken", "broken"),
    Row("/parent", "/parent", "parent", "child"),
    Row("/talk/9", "/talk/{}", "talk", "talk", "WEBSOCKET"),
)
CLASSES = (
    *WEB[:2],
    Row("/parts", "/parts", "Parts.get", "Parts.get"),
    Row("/broken", "/broken", "Broken.get", "Broken.get"),
    Row("/parent", "/parent", "Parent.get", "child"),
    Row("/talk/9", "/talk/(.*)", "Talk.on_message", "Talk.on_message", "WEBSOCKET"),
)
RPC = tuple(
    Row(f"/shop.Shop/{name}", f"/shop.Shop/{name}", f"Shop.{name.lower()}", function, "POST")
    for name, function in (
        *(("Parts", "Shop.parts"), ("Broken", "Shop.broken"), ("Parent", "child")),
        *(("Talk", "Shop.talk"), ("Total", "Shop.total")),
    )
)
FRAMEWORKS = {
    "aiohttp": Framework(
        "aiohttp",
        braces,
        WEB,
        Row("/block/{}", "/block/{}", "block", "block"),
        Row("/wait/{}", "/wait/{}", "wait", "wait"),
    ),
    "sanic": Framework(
        "sanic",
        lambda name, kind: f"<{name}:{kind}>",
        WEB,
        Row("/block/{}", "/block/{}", "block", "block"),
        Row("/wait/{}", "/wait/{}", "wait", "wait"),
    ),
    "tornado": Framework(
        "tornado",
        braces,
        CLASSES,
        Row("/block/{}", "/block/{}", "Block.get", "Block.get"),
        Row("/wait/{}", "/wait/{}", "Wait.get", "Wait.get"),
    ),
    "grpc": Framework(
        "grpc",
        braces,
        RPC,
        Row("/shop.Shop/Block", "/shop.Shop/Block", "Shop.block", "Shop.block", "POST"),
        Row("/shop.Shop/Wait", "/shop.Shop/Wait", "Shop.wait", "Shop.wait", "POST"),
        sees_sockets=False,
    ),
}
PARAMETERS = {
    "/items/{}": ("item", "int"),
    "/below/deep/{}": ("item", "int"),
    "/talk/{}": ("room", "str"),
    "/block/{}": ("seconds", "float"),
    "/wait/{}": ("seconds", "float"),
}


class Playing(NamedTuple):
    """A framework whose app runs."""

    framework: Framework
    server: Server
    app: str  # its module

    def route(self, row: Row) -> str:
        parameter = PARAMETERS.get(row.route)
        shown = self.framework.parameter(*parameter) if parameter else ""
        return row.route.replace("{}", shown)

    def stalls(self) -> list[dict[str, Any]]:
        return [stall for stall in self.server.stalls() if stall["duration"] > LONG]

    def ask(self, row: Row, seconds: float = 0.0) -> None:
        """Make the request of a row, and wait for its answer, which may be an error."""
        if row.method == "POST":
            rpc(self.server.port, row.call, b"%g" % seconds)
        elif row.method == "WEBSOCKET":
            with connect(f"ws://{HOST}:{self.server.port}{row.call}", proxy=None) as socket:
                socket.send("hello")
                assert socket.recv(timeout=20) == "hello"
        else:
            with httpx.Client(trust_env=False, timeout=20) as client:
                client.get(f"http://{HOST}:{self.server.port}{row.call.format(seconds)}")

    def requests(self, row: Row) -> dict[str, Any]:
        """Return what is counted of a row's route."""
        found: dict[str, Any] = next(
            each
            for each in self.server.read("snapshot")["requests"]
            if each["route"] == self.route(row)
        )
        return found


def rpc(port: int, method: str, message: bytes) -> None:
    import grpc

    kinds = {"Parts": "unary_stream", "Talk": "stream_stream", "Total": "stream_unary"}
    kind = kinds.get(method.rpartition("/")[2], "unary_unary")
    with grpc.insecure_channel(f"{HOST}:{port}") as channel, suppress(grpc.RpcError):
        call = getattr(channel, kind)(method)
        answer = call(iter([message]) if kind.startswith("stream") else message, timeout=20)
        if kind.endswith("stream"):
            list(answer)


@pytest.fixture(scope="module", params=FRAMEWORKS)
def playing(request: pytest.FixtureRequest) -> Iterator[list[Playing]]:
    """The app of one framework, on each loop that is installed."""
    framework = FRAMEWORKS[request.param]
    if importlib.util.find_spec(framework.module) is None:
        pytest.skip(f"{framework.module} is not installed")
    app = f"{request.param}_app"
    command = [sys.executable, "-m", "tests.frameworks.apps", app]
    with ExitStack() as stack:
        found = []
        for loop in LOOPS:
            if importlib.util.find_spec(loop) is not None:
                port = free_port()
                server = stack.enter_context(launch(command, port, PORT=str(port), LOOP=loop))
                found.append(Playing(framework, server, f"tests.frameworks.apps.{app}"))
        yield found


def on_each(playing: list[Playing], play: Callable[[Playing], None]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(play, playing))


def source_lines(app: str, code: str) -> set[int]:
    path = CHECKOUT / (app.replace(".", "/") + ".py")
    lines = path.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if code in line}


def check(playing: Playing, row: Row, stall: dict[str, Any], code: str) -> None:
    site = stall["site"]
    assert (stall["route"], stall["method"]) == (playing.route(row), row.method)
    assert stall["coroutine"] == f"{playing.app}.{row.coroutine}"
    assert site["function"] == f"{playing.app}.{row.function}"
    assert site["code"].startswith(code)
    assert site["line"] in source_lines(playing.app, code)
    assert stall["cause"] in LOADED


@in_calm
def test_stall_says_where_it_was(playing: list[Playing]) -> None:
    """In classes, below a prefix, in a stream, before an error, in a child task, in a websocket."""
    on_each(playing, play_rows)


def play_rows(playing: Playing) -> None:
    playing.server.clear()
    for row in playing.framework.rows:
        playing.ask(row)
    stalls = playing.stalls()
    assert len(stalls) == len(playing.framework.rows)
    for row, stall in zip(playing.framework.rows, stalls, strict=True):
        check(playing, row, stall, HOLDS)
        assert stall["victims"] == 0


@in_calm
def test_victims_are_those_in_flight_and_those_in_their_sockets(playing: list[Playing]) -> None:
    on_each(playing, play_victims)


def play_victims(playing: Playing) -> None:
    block, wait = playing.framework.block, playing.framework.wait
    playing.ask(wait)  # so that its route has been counted
    playing.server.clear()
    before, began = playing.requests(wait), time.monotonic()
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(playing.ask, wait, DUE)]
        time.sleep(IN_FLIGHT)
        asked.append(pool.submit(playing.ask, block, BLOCK))
        time.sleep(SENT)
        asked.append(pool.submit(playing.ask, wait))
        for each in asked:
            each.result()
    assert time.monotonic() - began > IN_FLIGHT + BLOCK
    (stall,) = playing.stalls()
    check(playing, block, stall, BLOCKS)
    assert stall["victims"] == (2 if playing.framework.sees_sockets else 1)
    after = playing.requests(wait)
    assert finished(after) - finished(before) == 2
    stalled, queued = (after[part] - before[part] for part in ("stalled", "queued"))
    assert stalled == pytest.approx(IN_FLIGHT + BLOCK - DUE, abs=NEAR)
    expected = BLOCK - SENT if playing.framework.sees_sockets else 0.0
    assert queued == pytest.approx(expected, abs=NEAR)


def finished(reading: dict[str, Any]) -> int:
    return sum(reading["latency"]["counts"])
