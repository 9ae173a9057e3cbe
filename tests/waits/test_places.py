"""What a request waits for is told by its own line, the library's call and the resource."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from tests.conftest import MakeWatch, run_on

from .looking import WEIGHT, Stage, settle

# child tasks
from .ways_to_wait import CASES, event, nap, process, queue


@pytest.mark.parametrize("handler", CASES, ids=lambda handler: handler.__name__)
def test_a_wait_is_named(
    loop: str, handler: Callable[[], Awaitable[None]], make_watch: MakeWatch
) -> None:
    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(handler)
        await settle()
        if handler is process:
            await asyncio.sleep(0.5)
        rows = stage.look()
        await stage.end()
        place, call, resource = CASES[handler]
        assert {(r.place.function, r.call, r.resource) for r in rows} == {
            (f"{nap.__module__}.{place}", call, resource)
        }
        assert sum(r.seconds for r in rows) == pytest.approx(WEIGHT)
        assert all(r.route == "/x" and r.place.line > 0 and r.place.code for r in rows)

    run_on(loop, main())


def test_a_worker_thread_has_begun_or_not(loop: str, make_watch: MakeWatch) -> None:
    release = threading.Event()

    async def work() -> None:
        await asyncio.get_running_loop().run_in_executor(None, release.wait, 10)

    async def helped() -> None:
        await anyio.to_thread.run_sync(release.wait, 10, limiter=limit)

    limit: anyio.CapacityLimiter

    async def main() -> None:
        nonlocal limit
        limit = anyio.CapacityLimiter(1)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        stage = Stage(make_watch())
        for _ in range(3):
            stage.begin(work, "/work")
            stage.begin(helped, "/helped")
        await asyncio.sleep(0.3)  # for the threads to begin
        rows = stage.look()
        release.set()
        await asyncio.gather(*stage.tasks)
        for route in ("/work", "/helped"):
            mine = [r for r in rows if r.route == route]
            assert {r.resource for r in mine} == {"thread"}
            assert sum(r.seconds for r in mine) == pytest.approx(3 * WEIGHT)
            assert sum(r.unstarted for r in mine) == pytest.approx(2 * WEIGHT)

    run_on(loop, main())


def test_a_socket_has_a_peer(loop: str, make_watch: MakeWatch) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()

        stage = Stage(make_watch())
        stage.begin(ask)
        await asyncio.sleep(0.3)
        (row,) = stage.look()
        await stage.end()
        server.close()
        await server.wait_closed()
        assert (row.resource, row.peer) == ("socket", f"127.0.0.1:{port}")
        assert row.call == "asyncio.streams.StreamReader.readline"

    run_on(loop, main())


def test_several_children_share_the_time_of_one_request(loop: str, make_watch: MakeWatch) -> None:
    async def three() -> None:
        await asyncio.gather(nap(), event(), queue())

    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(three)
        await settle()
        rows = stage.look()
        await stage.end()
        assert {r.resource: r.seconds for r in rows} == pytest.approx(
            {"timer": WEIGHT / 3, "event": WEIGHT / 3, "queue": WEIGHT / 3}
        )

    run_on(loop, main())


def test_requests_that_wait_for_nothing_have_no_row(loop: str, make_watch: MakeWatch) -> None:
    """One that is about to run, one whose response is complete, and what no request waits for."""

    async def ready() -> None:
        while True:
            await asyncio.sleep(0)

    async def left_behind() -> None:
        tasks.append(asyncio.create_task(nap()))

    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(ready)
        stage.begin(left_behind)
        idle = asyncio.create_task(nap())
        await settle()
        rows = stage.look()
        idle.cancel()
        tasks[0].cancel()
        await stage.end()
        assert rows == []

    run_on(loop, main())
