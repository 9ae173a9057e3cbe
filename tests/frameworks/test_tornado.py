"""The hook for tornado.web: templates, and an application that is as it was afterwards."""

import asyncio
import re
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.routing import HostMatches, PathMatches, Rule, RuleRouter
from tornado.web import Application, RequestHandler, stream_request_body

from loopwatch import Watch
from loopwatch.frameworks.tornado import install, named, uninstall
from tests.conftest import MakeWatch, until
from tests.ports import HOST


class Hello(RequestHandler):
    def get(self, name: str = "") -> None:
        self.write(name or "hello")


class Other(RequestHandler):
    async def get(self, name: str = "") -> None:
        await asyncio.sleep(0)
        self.write("other")

    async def post(self) -> None:
        self.write(self.request.body)


class Early(RequestHandler):
    async def get(self) -> None:
        await self.finish("early")
        await asyncio.sleep(0.6)


@stream_request_body
class Upload(RequestHandler):
    def prepare(self) -> None:
        self.size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def put(self) -> None:
        self.write(str(self.size))


def application() -> Application:
    return Application(
        [
            (r"/hello/(?P<name>\w+)", Hello),
            (r"/other/([a-z]+)", Other),
            (r"/other", Other),
            (PathMatches(re.compile(r"^/compiled/(?P<name>(?:a|b)[)(]?)$")), Other),
            (r"/early", Early),
            (r"/upload", Upload),
        ],
        log_function=lambda handler: None,
    )


async def ask(app: Any, *calls: Any) -> list[tuple[int, bytes]]:
    """Return the answers to calls: paths, or paths and what else the client is given."""
    server = HTTPServer(app)
    server.listen(0, HOST)
    port = next(iter(server._sockets.values())).getsockname()[1]
    client, answers = AsyncHTTPClient(force_instance=True), []
    for call in calls:
        path, more = call if isinstance(call, tuple) else (call, {})
        answer = await client.fetch(f"http://{HOST}:{port}{path}", raise_error=False, **more)
        answers.append((answer.code, answer.body))
    server.stop()
    await server.close_all_connections()
    client.close()
    return answers


def counted(watch: Watch) -> dict[tuple[str, str], int]:
    return {(r.route, r.method): r.latency.count for r in watch.snapshot().requests}


POST: dict[str, Any] = {"method": "POST", "body": b"text"}
PUT: dict[str, Any] = {"method": "PUT", "body": b"x" * 200_000}
CALLS = ("/hello/you", "/other/a", "/other/b", "/other", ("/other", POST), "/compiled/b(")
ANSWERS = [b"you", b"other", b"other", b"other", b"text", b"other"]


def test_routes_are_the_patterns(make_watch: MakeWatch) -> None:
    watch = make_watch()
    answers = asyncio.run(ask(install(application(), watch=watch), *CALLS, ("/upload", PUT), "/no"))
    assert [body for _, body in answers[:-1]] == [*ANSWERS, b"200000"]
    assert answers[-1][0] == 404
    assert counted(watch) == {
        ("/hello/{name}", "GET"): 1,
        ("/other/([a-z]+)", "GET"): 2,
        ("/other", "GET"): 1,
        ("/other", "POST"): 1,
        ("/compiled/{name}", "GET"): 1,
        ("/upload", "PUT"): 1,
        ("_NONE", "GET"): 1,
    }


def test_routers_within_routers_and_handlers_that_come_later(make_watch: MakeWatch) -> None:
    watch, app = make_watch(), application()
    below = RuleRouter([Rule(PathMatches("/below/deep/.*"), app)])
    app.add_handlers(r"127\.0\.0\.1", [(r"/below/deep/(\d+)", Hello)])
    install(app, watch=watch)
    outer = RuleRouter([Rule(HostMatches(r"127.*"), below), Rule(PathMatches("/.*"), app)])
    asyncio.run(ask(outer, "/below/deep/7", "/hello/you"))
    assert counted(watch) == {(r"/below/deep/(\d+)", "GET"): 1, ("/hello/{name}", "GET"): 1}
    app.add_handlers(r".*", [(r"/later/(?P<name>.*)", Hello)])
    asyncio.run(ask(app, "/later/x"))
    assert counted(watch)["/later/{name}", "GET"] == 1


def test_a_handler_s_own_rules_are_no_routes(make_watch: MakeWatch) -> None:
    class Shop(Hello):
        rules = "no returns", "no haggling"

    watch = make_watch()
    app = Application([(r"/shop", Shop), (r"/hello", Hello)])
    asyncio.run(ask(install(app, watch=watch), "/shop", "/hello"))
    assert counted(watch) == {("/shop", "GET"): 1, ("/hello", "GET"): 1}


def test_complete_response_ends_the_latency(make_watch: MakeWatch) -> None:
    """What a handler does after `finish` is in the background."""
    watch = make_watch()

    async def main() -> None:
        assert await ask(install(application(), watch=watch), "/early") == [(200, b"early")]
        await until(lambda: counted(watch) == {("/early", "GET"): 1})

    asyncio.run(main())
    (row,) = watch.snapshot().requests
    assert sum(row.latency.sums) < 0.5


def test_server_timing_is_added(make_watch: MakeWatch) -> None:
    app = install(application(), watch=make_watch(server_timing=True))

    async def main() -> str:
        server = HTTPServer(app)
        server.listen(0, HOST)
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = AsyncHTTPClient(force_instance=True)
        answer = await client.fetch(f"http://{HOST}:{port}/hello/you")
        server.stop()
        await server.close_all_connections()
        client.close()
        return str(answer.headers["Server-Timing"])

    assert "running;dur=" in asyncio.run(main())


def test_it_is_installed_once_and_leaves_nothing(make_watch: MakeWatch) -> None:
    watch, app = make_watch(), application()
    before = app.get_handler_delegate
    assert install(app, watch=watch) is app
    install(app, watch=watch)
    uninstall(app)
    uninstall(app)
    assert app.get_handler_delegate == before
    asyncio.run(ask(app, "/hello/you"))
    assert counted(watch) == {}


def test_a_hook_that_others_have_kept_only_passes_on_afterwards(make_watch: MakeWatch) -> None:
    watch, app = make_watch(), application()
    hook = install(app, watch=watch).get_handler_delegate
    uninstall(app)
    app.get_handler_delegate = hook  # type: ignore[method-assign]
    assert asyncio.run(ask(app, "/hello/you")) == [(200, b"you")]
    assert counted(watch) == {}


def test_only_applications_are_taken() -> None:
    with pytest.raises(TypeError, match=r"tornado\.web\.Application, got 'app'"):
        install("app")
    with pytest.raises(TypeError, match="watch must be"):
        install(application(), watch="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("/a", "/a"),
        ("/a/(.*)", "/a/(.*)"),
        (r"/a/(?P<b>\d+)/c/(?P<d>[^/]+)", "/a/{b}/c/{d}"),
        (r"/a/(?P<b>(x|y)+)/c", "/a/{b}/c"),
        (r"/a/(?P<b>[)]\))/c", "/a/{b}/c"),
        ("/a/(?P<b>x", "/a/{b}"),
    ],
)
def test_named_groups_are_shown_by_their_names(pattern: str, text: str) -> None:
    assert named(pattern) == text
