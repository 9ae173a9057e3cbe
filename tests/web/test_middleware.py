"""The middleware in process: whose turn it is, and an app that notices nothing."""

import asyncio
import time
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from loopwatch import LoopWatchMiddleware, Snapshot
from tests.asgi import Message, Receive, Send, answer, visit
from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, run_on, run_script, watchdog_round
from tests.web.requests import hello, requests_of, routed


def test_requests_are_counted_by_route_and_method(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    fastapi = FastAPI(openapi_url=None)
    fastapi.get("/users/{user}")(lambda user: user)
    fastapi.put("/users/{user}")(lambda user: user)
    app = LoopWatchMiddleware(fastapi, watch=watch)

    async def main() -> None:
        for user in range(5):
            await visit(app, f"/users/{user}")
        for method in ("PUT", "BREW"):
            await visit(app, "/users/1", method=method)
        await visit(app, "/nowhere/at/all")

    run_on(loop, main())
    counted = requests_of(watch.snapshot())
    assert counted["/users/{user}", "GET"] == 5
    assert counted["/users/{user}", "PUT"] == 1
    assert counted["_NONE", "GET"] == 1
    assert sum(counted.values()) == 8
    assert not any("BREW" in key for key in counted)
    assert not any("/nowhere" in route or "/users/1" in route for route, _ in counted)


@in_calm
def test_running_and_waiting_are_the_time_in_flight(loop: str, make_watch: MakeWatch) -> None:
    """0.06 s of own steps and 0.2 s of waiting, whatever the neighbour does meanwhile."""
    watch = make_watch()

    async def handler(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/work"
        time.sleep(0.03)
        await asyncio.sleep(0.2)
        time.sleep(0.03)
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0)
        await asyncio.ensure_future(visit(LoopWatchMiddleware(handler, watch=watch)))
        await asyncio.sleep(0)

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.running == pytest.approx(0.06, abs=0.01)
    assert reading.waiting == pytest.approx(0.2, abs=0.02)
    assert reading.latency.sum == pytest.approx(0.26, abs=0.03)
    assert reading.background < 0.005  # what is left to do after the response
    assert reading.loop_cost == reading.running + reading.background
    parts = reading.queued + reading.running + reading.stalled + reading.waiting
    assert parts == pytest.approx(reading.latency.sum, abs=1e-6)


def test_steps_are_counted_by_endpoint(loop: str, make_watch: MakeWatch) -> None:
    """However few requests there were: five of three steps each are fifteen steps."""
    watch = make_watch()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"], scope["endpoint"] = "/steps", hello
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await answer(send)

    async def main() -> Snapshot:
        watch.start()
        await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        await asyncio.sleep(0.01)
        return watch.snapshot()

    while_running, closed = run_on(loop, main()), watch.snapshot()
    for snapshot in (while_running, closed):
        steps = dict(snapshot.steps)[f"{hello.__module__}.hello"]
        assert steps.count == 15
        assert 0 < steps.sum < 0.1
        assert requests_of(snapshot) == {("/steps", "GET"): 5}


@in_calm
def test_the_very_first_request_is_seen_from_its_first_step(
    loop: str, make_watch: MakeWatch
) -> None:
    """Without lifespan the first request installs the watch, and may block at once."""
    watch = make_watch()

    async def handler(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/first"
        time.sleep(0.15)
        await answer(send)

    async def main() -> None:
        await asyncio.ensure_future(visit(LoopWatchMiddleware(handler, watch=watch)))
        await watchdog_round()

    run_on(loop, main())
    assert [stall.route for stall in watch.stalls] == ["/first"]
    assert watch.stalls[0].duration == pytest.approx(0.15, abs=TOLERANCE)


def test_nested_middleware_counts_a_request_once(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    app = LoopWatchMiddleware(LoopWatchMiddleware(routed("/once"), watch=watch), watch=watch)

    async def main() -> list[Message]:
        return await visit(app)

    assert len(run_on(loop, main())) == 2
    assert requests_of(watch.snapshot()) == {("/once", "GET"): 1}


def test_mounted_app_with_its_own_middleware_counts_once(loop: str, make_watch: MakeWatch) -> None:
    """Starlette hands a mount a copy of the scope: it is still the same request."""
    watch = make_watch()
    inner = LoopWatchMiddleware(hello, watch=watch)
    app = LoopWatchMiddleware(Starlette(routes=[Mount("/sub", app=inner)]), watch=watch)

    async def main() -> None:
        await visit(app, "/sub/x")

    run_on(loop, main())
    assert sum(requests_of(watch.snapshot()).values()) == 1


def test_apps_without_a_watch_share_the_default_one() -> None:
    """Two apps, one process: one watch, on the first loop they run on."""
    printed = run_script("""
        import asyncio
        from loopwatch import LoopWatchMiddleware
        from prometheus_client import REGISTRY
        from tests.asgi import visit
        from tests.web.requests import routed

        async def main():
            await visit(LoopWatchMiddleware(routed("/one")))
            await visit(LoopWatchMiddleware(routed("/two")))
            await asyncio.sleep(0.01)
            for route in ("/one", "/two"):
                print(REGISTRY.get_sample_value(
                    "loopwatch_request_seconds_count", {"route": route, "method": "GET"}))

        asyncio.run(main())
        print(REGISTRY.get_sample_value("loopwatch_tasks"))
    """)
    assert printed.split() == ["1.0", "1.0", "0.0"]


def test_other_scopes_pass_through(loop: str, make_watch: MakeWatch) -> None:
    """Lifespan installs the watch, and nothing is counted."""
    watch = make_watch()
    scopes: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scopes.append((scope, receive, send))

    async def main() -> None:
        scope: Any = {"type": "lifespan"}
        receive: Any = object()
        send: Any = object()
        await LoopWatchMiddleware(app, watch=watch)(scope, receive, send)
        ((seen, was_receive, was_send),) = scopes
        assert seen is scope
        assert was_receive is receive
        assert was_send is send
        assert len(watch.snapshot().loops) == 1
        assert watch.snapshot().requests == ()

    run_on(loop, main())


def test_the_middleware_takes_a_watch_only() -> None:
    nonsense: Any = {"slow_callback_duration": 0.1}
    with pytest.raises(TypeError, match=r"must be a loopwatch\.Watch or None, got \{"):
        LoopWatchMiddleware(hello, watch=nonsense)


def test_without_an_asyncio_loop_it_warns_once_and_has_no_effect() -> None:
    """Under trio the app answers as ever, and the log says once that nothing is watched."""
    pytest.importorskip("trio")
    printed = run_script("""
        import logging, sys, trio
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
        from loopwatch import LoopWatchMiddleware
        from tests.asgi import answer, visit

        async def app(scope, receive, send):
            await trio.sleep(0.01)
            await answer(send, b"from trio")

        async def main():
            middleware = LoopWatchMiddleware(app)
            for _ in range(3):
                print((await visit(middleware))[1]["body"].decode())
            print((await visit(LoopWatchMiddleware(app)))[1]["body"].decode())

        trio.run(main)
    """)
    lines = printed.splitlines()
    warnings = [line for line in lines if line.startswith("WARNING")]
    assert [line for line in lines if line not in warnings] == ["from trio"] * 4
    assert len(warnings) == 1
    assert "trio" in warnings[0]
