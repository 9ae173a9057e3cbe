"""No descriptors left, clients that leave, collectors that hang: the app is answered as before."""

import asyncio
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from loopwatch import Watch, metrics, page
from tests.asgi import http_scope
from tests.conftest import block_for, loop_factory, private_watch, run_on
from tests.ports import HOST

HOLD = 0.2  # s
PATIENCE = 20.0  # s for an answer
OK, BUSY = b"HTTP/1.1 200 ", b"HTTP/1.1 503 "


def descriptors(loop: str, size: int) -> str:
    """All `size` descriptors are taken, then free again: `/metrics` and stalls go on meanwhile."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (size, most))
    registry = CollectorRegistry()
    watch = Watch(registry=registry, log=False, otel=False)
    counted: list[int] = []

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.1)
        with all_taken():
            for _ in range(3):
                block_for(HOLD)
                await asyncio.sleep(0.05)
            counted.append(len(held(watch)))
            assert b"loopwatch_stall_seconds" in generate_latest(registry)
        block_for(HOLD)
        await asyncio.sleep(0.05)

    run_on(loop, main())
    watch.stop()
    assert counted == [3]
    assert len(held(watch)) == 4
    return "3 of 3 stalls with their line meanwhile, 1 of 1 afterwards"


def held(watch: Watch) -> list[Any]:
    return [s for s in watch.stalls if s.site.function.endswith("block_for") and s.site.line]


@contextmanager
def all_taken() -> Iterator[None]:
    """Leave this process no descriptor."""
    taken: list[int] = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)


def abandoned(loop: str, size: int) -> str:
    """`size` clients ask the live page and leave at once; then one waits for its answer."""
    watch = private_watch()
    with served(page(watch), loop, watch) as port:
        for number in range(size):
            ask(port, f"/tails.json?since={time.time() - number}").close()
        began, used = time.perf_counter(), time.process_time()
        while not (answer := answered(port, "/snapshot.json")).startswith(OK):
            assert answer.startswith(BUSY), answer[:200]
            assert time.perf_counter() - began < PATIENCE
            time.sleep(0.05)
        took, used = time.perf_counter() - began, time.process_time() - used
    watch.stop()
    return f"the next is answered after {took:.2f} s, {used:.2f} s of CPU time"


def answered(port: int, path: str) -> bytes:
    with ask(port, path) as connection:
        return connection.recv(65536)


def ask(port: int, path: str) -> socket.socket:
    connection = socket.create_connection((HOST, port), PATIENCE)
    head = f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n"
    connection.sendall(head.encode())
    return connection


@contextmanager
def served(app: Any, loop: str, watch: Watch) -> Iterator[int]:
    """Serve an app on a thread, on a loop of that make, and return its port."""
    server = uvicorn.Server(
        uvicorn.Config(app, access_log=False, log_level="error", lifespan="off")
    )

    async def main() -> None:
        watch.start()
        await server.serve(sockets=[listening])

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            runner.run(main())

    with socket.create_server((HOST, 0), backlog=1024) as listening, ExitStack() as stack:
        thread = threading.Thread(target=run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(setattr, server, "should_exit", True)
        port: int = listening.getsockname()[1]
        yield port


class Hanging(Collector):
    """A collector that never comes back."""

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        threading.Event().wait()
        yield from ()


def hung_collectors(loop: str, size: int) -> str:
    """`size` clients scrape a registry whose collector hangs: one thread, and the loop goes on."""
    registry = CollectorRegistry()
    registry.register(Hanging())
    app, late = metrics(registry), [0.0]

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        """Nobody reads it."""

    async def scrape() -> None:
        await app(http_scope("/metrics"), receive, send)

    async def main() -> None:
        asking = [asyncio.create_task(scrape()) for _ in range(size)]
        for _ in range(50):
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            late[0] = max(late[0], time.perf_counter() - began - 0.01)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    run_on(loop, main())
    hanging = [t for t in threading.enumerate() if t.name == "loopwatch-metrics"]
    assert len(hanging) == 1, hanging
    assert all(t.daemon for t in hanging)
    return f"one thread; the loop late by {late[0] * 1e3:.0f} ms at most"
