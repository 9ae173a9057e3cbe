"""How long requests were queued under servers that hide their sockets: by addresses."""

import importlib.util
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from .calm import in_calm
from .conftest import LOOPS
from .loop.client import Client, connected, sleep_until
from .ports import free_port
from .serving import Server, launch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked by address"),
]

APP = "tests.apps.queueing:app"
BLOCK = 1.0  # s
MOMENTS = (0.2, 0.5, 0.8)  # s into it
NEAR = 0.06  # s
EVERYWHERE, ANY_FAMILY = "0.0.0.0", "[::]"


def hypercorn(loop: str, host: str, port: int) -> list[str]:
    return ["hypercorn", "--worker-class", loop, "--bind", f"{host}:{port}", APP]


def granian(loop: str, host: str, port: int) -> list[str]:
    named = ["--loop", loop, "--host", host.strip("[]"), "--port", str(port)]
    return ["granian", "--interface", "asgi", *named, APP]


def daphne(loop: str, host: str, port: int) -> list[str]:
    assert loop == "asyncio", "daphne makes its own"
    return ["daphne", "-b", host, "-p", str(port), APP]


def gunicorn(loop: str, host: str, port: int) -> list[str]:
    if importlib.util.find_spec("gunicorn.workers.gasgi") is None:
        pytest.skip("this gunicorn has no ASGI worker of its own")
    return ["gunicorn", "-k", "asgi", "--asgi-loop", loop, "-b", f"{host}:{port}", APP]


SERVERS: tuple[tuple[Callable[[str, str, int], list[str]], str, tuple[str, ...]], ...] = (
    (hypercorn, EVERYWHERE, LOOPS),
    (granian, EVERYWHERE, LOOPS),  # it says so in the scope, and its ports are texts
    (granian, ANY_FAMILY, LOOPS),  # the client's IPv4 address is written as an IPv6 one
    (daphne, EVERYWHERE, LOOPS[:1]),  # it makes its own loop
    (gunicorn, EVERYWHERE, LOOPS),
)


@pytest.fixture(
    scope="module", params=SERVERS, ids=lambda row: f"{row[0].__name__}-{row[1].strip('[]')}"
)
def servers(request: pytest.FixtureRequest) -> Iterator[list[Server]]:
    """One server on each loop that it can use; they are asked at the same time."""
    command, host, loops = request.param
    if importlib.util.find_spec(command.__name__) is None:
        pytest.skip(f"{command.__name__} is not installed")
    if host == ANY_FAMILY and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with ExitStack() as stack:
        found = []
        for loop in loops:
            if importlib.util.find_spec(loop) is not None:
                port = free_port()
                started = [sys.executable, "-m", *command(loop, host, port)]
                found.append(stack.enter_context(launch(started, port)))
        yield found


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@in_calm
def test_queued_is_the_time_from_sent_to_seen(servers: list[Server]) -> None:
    """On connections kept alive and on new ones; and none of it where the loop was not held."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(play, servers))


def play(server: Server) -> None:
    with ExitStack() as stack:
        blocker, *kept = (stack.enter_context(connected(server)) for _ in (0, *MOMENTS))
        for client in kept:
            client.get()
            assert error(client) < NEAR
        blocker.block(BLOCK)
        waiting: list[Client] = []
        for client, moment in zip(kept, MOMENTS, strict=True):
            sleep_until(blocker.sent + moment)
            new = stack.enter_context(connected(server))
            client.get()
            new.get()
            waiting += [client, new]
        assert error(blocker) < NEAR
        for client in waiting:
            assert error(client) < NEAR
        sleep_until(blocker.sent + BLOCK + 0.3)
        blocker.get()
        assert error(blocker) < NEAR


def error(client: Client) -> float:
    """Return by how many seconds the app is wrong about how long a request was queued."""
    answer = client.read()
    assert answer.queued is not None
    return abs(answer.queued - (answer.began - client.sent))
