"""The middleware for aiohttp.web, in process: it counts, and the app notices nothing."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import ClientSession, web

from loopwatch import Snapshot, Watch
from loopwatch.core import guard
from loopwatch.core.request import REQUEST
from loopwatch.frameworks import aiohttp as hook
from loopwatch.frameworks.aiohttp import Middleware, middleware
from tests.conftest import MakeWatch, run_on, until
from tests.ports import HOST

Ask = Callable[..., Awaitable[tuple[int, str, dict[str, str]]]]


async def hello(request: web.Request) -> web.Response:
    await asyncio.sleep(0)
    return web.Response(text=request.match_info.get("name", "hello"))


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


async def broken(request: web.Request) -> web.Response:
    raise ValueError("broken")


async def streamed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"one")
    await response.write_eof(b"two")
    return response


async def nothing(request: web.Request) -> Any:
    return None


def application(*middlewares: Any) -> web.Application:
    app = web.Application(middlewares=middlewares)
    below = web.Application(middlewares=middlewares)
    below.router.add_get("/{name}", hello)
    app.add_subapp("/below/", below)
    app.router.add_get("/", hello)
    app.router.add_route("*", r"/hello/{name:\w+}", hello)
    app.router.add_get("/moved", moved)
    app.router.add_get("/broken", broken)
    app.router.add_get("/streamed", streamed)
    app.router.add_get("/nothing", nothing)
    return app


@asynccontextmanager
async def asking(app: web.Application, **options: Any) -> Any:
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    port = runner.addresses[0][1]

    async with ClientSession(f"http://{HOST}:{port}") as session:

        async def ask(path: str, method: str = "GET", **more: Any) -> Any:
            async with session.request(method, path, allow_redirects=False, **more) as answer:
                return answer.status, await answer.text(), dict(answer.headers)

        yield ask
    await runner.cleanup()


def counted(snapshot: Snapshot) -> dict[tuple[str, str], int]:
    return {(r.route, r.method): r.latency.count for r in snapshot.requests}


def test_requests_are_counted_by_template_and_method(loop: str, make_watch: MakeWatch) -> None:
    """Also on one connection, one after the other, and once where two applications have us."""
    watch = make_watch()

    async def main() -> None:
        async with asking(application(Middleware(watch=watch))) as ask:
            for name in "abc":
                await ask(f"/hello/{name}")
            await ask("/hello/a", "PUT")
            await ask("/below/x")
            await ask("/nowhere")

    run_on(loop, main())
    assert counted(watch.snapshot()) == {
        ("/hello/{name}", "GET"): 3,
        ("/hello/{name}", "PUT"): 1,
        ("/below/{name}", "GET"): 1,
        ("_NONE", "GET"): 1,
    }


@pytest.mark.parametrize(
    "path", ["/", "/hello/a", "/below/x", "/moved", "/broken", "/streamed", "/nothing", "/nowhere"]
)
def test_answers_are_what_they_would_be(path: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        async with (
            asking(application()) as bare,
            asking(application(Middleware(watch=watch))) as watched,
        ):
            with_us, without = await watched(path), await bare(path)
            for answer in (with_us, without):
                answer[2].pop("Date", None)
            assert with_us == without

    logging.getLogger("aiohttp.server").disabled = True
    try:
        asyncio.run(main())
    finally:
        logging.getLogger("aiohttp.server").disabled = False
    assert sum(counted(watch.snapshot()).values()) == 1


def test_module_has_one_to_be_used_as_it_is(make_watch: MakeWatch) -> None:
    """A watch that is there already records its requests."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        async with asking(application(middleware)) as ask:
            assert (await ask("/hello/a"))[:2] == (200, "a")

    asyncio.run(main())
    assert counted(watch.snapshot()) == {("/hello/{name}", "GET"): 1}


def test_watch_must_be_one() -> None:
    with pytest.raises(TypeError, match=r"watch must be a loopwatch\.Watch"):
        Middleware(watch="yes")  # type: ignore[arg-type]


def test_cancelled_handler_is_cancelled_and_its_request_ends(
    loop: str, make_watch: MakeWatch
) -> None:
    watch, seen = make_watch(), list[str]()

    async def waiting(request: web.Request) -> web.Response:
        seen.append("begun")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        raise AssertionError("it was to be cancelled")

    async def main() -> None:
        app = web.Application(middlewares=[Middleware(watch=watch)])
        app.router.add_get("/wait", waiting)
        async with asking(app, handler_cancellation=True) as ask:
            asked = asyncio.create_task(ask("/wait"))
            await until(lambda: "begun" in seen)
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked
            await until(lambda: "cancelled" in seen)
            await until(lambda: counted(watch.snapshot()) == {("/wait", "GET"): 1})

    run_on(loop, main())


def test_background_task_outlives_its_request(make_watch: MakeWatch) -> None:
    watch, done = make_watch(), list[bool]()

    async def later() -> None:
        await asyncio.sleep(0.6)
        done.append(REQUEST.get().scope is None)

    async def main() -> None:
        tasks = set()

        async def leaving(request: web.Request) -> web.Response:
            tasks.add(asyncio.create_task(later()))
            return web.Response(text="left")

        app = web.Application(middlewares=[Middleware(watch=watch)])
        app.router.add_get("/leave", leaving)
        async with asking(app) as ask:
            assert (await ask("/leave"))[1] == "left"
            await asyncio.gather(*tasks)

    asyncio.run(main())
    assert done == [True]
    (row,) = watch.snapshot().requests
    assert sum(row.latency.sums) < 0.5


def test_server_timing_is_added_to_what_is_not_on_its_way(make_watch: MakeWatch) -> None:
    watch = make_watch(server_timing=True)

    async def main() -> None:
        async with asking(application(Middleware(watch=watch))) as ask:
            assert "queued;dur=" in (await ask("/hello/a"))[2]["Server-Timing"]
            assert (await ask("/streamed"))[:2] == (200, "onetwo")

    asyncio.run(main())


def test_request_start_of_a_proxy_is_read_if_asked_for(make_watch: MakeWatch) -> None:
    def queued(watch: Watch) -> float:
        async def main() -> None:
            async with asking(application(Middleware(watch=watch))) as ask:
                unix = time.time() - 3.0
                await ask("/", headers={"X-Request-Start": f"t={unix:.3f}"})

        asyncio.run(main())
        return watch.snapshot().requests[0].queued

    assert queued(make_watch(trust_request_start=True)) == pytest.approx(3.0, abs=0.5)
    assert queued(make_watch()) == 0.0


def test_error_of_ours_does_not_reach_the_app(
    make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(guard, "_told", {})
    monkeypatch.setattr(hook, "scope_of", fail)

    async def main() -> None:
        async with asking(application(Middleware(watch=make_watch()))) as ask:
            for _ in range(2):
                assert (await ask("/hello/a"))[:2] == (200, "a")

    asyncio.run(main())
    assert [record.name for record in caplog.records] == ["loopwatch"]


def test_nothing_of_a_request_stays(make_watch: MakeWatch) -> None:
    """Neither aiohttp's request nor its scope, once the next one has come."""
    watch, kept = make_watch(), list[Any]()

    async def noting(request: web.Request) -> web.Response:
        kept.append(REQUEST.get())
        assert kept[-1].scope["loopwatch.message"] is request
        return web.Response()

    async def main() -> None:
        app = web.Application(middlewares=[Middleware(watch=watch)])
        app.router.add_get("/", noting)
        async with asking(app) as ask:
            await ask("/")
            await ask("/")

    asyncio.run(main())
    assert [request.scope for request in kept] == [None, None]


def test_stopped_watch_leaves_the_app_alone(make_watch: MakeWatch) -> None:
    watch = make_watch()
    watch.stop()

    async def main() -> None:
        async with asking(application(Middleware(watch=watch))) as ask:
            assert (await ask("/hello/a"))[:2] == (200, "a")

    asyncio.run(main())
    assert watch.snapshot().requests == ()
