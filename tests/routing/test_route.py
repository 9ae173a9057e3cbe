"""The route is a template, whatever stands before it: routers, mounts, other middlewares."""

import asyncio
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router

from loopwatch import LoopWatchMiddleware

from ..asgi import App, answer, visit
from ..conftest import MakeWatch, run_on


async def endpoint(request: Request) -> Response:
    return PlainTextResponse("here")


async def raw(scope: Any, receive: Any, send: Any) -> None:
    await answer(send)


async def passing(request: Request, go_on: Any) -> Response:
    response: Response = await go_on(request)
    return response


async def item() -> str:
    return "item"


def fastapi_in_routers() -> App:
    """Routers within routers, each with a prefix."""
    inner, outer = APIRouter(prefix="/items/{item_id}"), APIRouter(prefix="/shops/{shop}")
    inner.get("/price")(item)
    inner.get("")(item)
    outer.include_router(inner)
    app = FastAPI()
    app.include_router(outer, prefix="/api")
    app.include_router(inner)
    return app


def mounts() -> App:
    leaf = Starlette(routes=[Route("/", endpoint), Route("/reports/{day:int}", endpoint)])
    return Starlette(
        routes=[
            Route("/", endpoint),
            Route("/files/{path:path}", endpoint),
            Mount("/tenants/{tenant}", routes=[Mount("/v1", app=leaf), Route("/me", endpoint)]),
            Mount("/raw/{kind}", app=raw),
            Mount("/router", app=Router([Route("/x", endpoint)])),
            Mount("/api", app=fastapi_in_routers()),
            Host("api.example.org", app=leaf),
        ]
    )


def wrapped() -> App:
    """Behind other middlewares, one of them with a task of its own."""
    app = mounts()
    return GZipMiddleware(BaseHTTPMiddleware(app, dispatch=passing))


CASES = [
    (fastapi_in_routers, "/api/shops/1/items/2/price", "/api/shops/{shop}/items/{item_id}/price"),
    (fastapi_in_routers, "/api/shops/1/items/2", "/api/shops/{shop}/items/{item_id}"),
    (fastapi_in_routers, "/items/2/price", "/items/{item_id}/price"),
    (fastapi_in_routers, "/nowhere", "_NONE"),
    (mounts, "/", "/"),
    (mounts, "/files/a/b/c.txt", "/files/{path:path}"),
    (mounts, "/tenants/acme/v1/reports/7", "/tenants/{tenant}/v1/reports/{day}"),
    (mounts, "/tenants/acme/v1/", "/tenants/{tenant}/v1/"),
    (mounts, "/tenants/acme/me", "/tenants/{tenant}/me"),
    (mounts, "/raw/blue/sky", "/raw/{kind}"),
    (mounts, "/router/x", "/router/x"),
    (mounts, "/api/items/2/price", "/api/items/{item_id}/price"),
    (mounts, "/api/api/shops/1/items/2", "/api/api/shops/{shop}/items/{item_id}"),
    (wrapped, "/tenants/acme/v1/reports/7", "/tenants/{tenant}/v1/reports/{day}"),
    (wrapped, "/", "/"),
]


@pytest.mark.parametrize(("make", "path", "template"), CASES)
def test_requests_go_by_their_template(
    make: Any, path: str, template: str, make_watch: MakeWatch
) -> None:
    """Twice, since what is found once is remembered."""
    watch = make_watch()
    app = LoopWatchMiddleware(make(), watch=watch)

    async def main() -> None:
        for _ in range(2):
            await visit(app, path)
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    counted = {r.route.replace("{path:path}", "{path}"): r for r in watch.snapshot().requests}
    assert list(counted) == [template.replace("{path:path}", "{path}")]
    assert counted[template.replace("{path:path}", "{path}")].latency.count == 2


def test_one_endpoint_on_several_routes_is_several_routes(make_watch: MakeWatch) -> None:
    """Also where it stands behind two mounts, or on a parameter here and a fixed path there."""
    watch = make_watch()
    leaf = Starlette(routes=[Route("/x", endpoint)])
    app = LoopWatchMiddleware(
        Starlette(
            routes=[
                Route("/a", endpoint, methods=["GET", "POST"]),
                Route("/b/{id}", endpoint),
                Mount("/one", app=leaf),
                Mount("/two", app=leaf),
            ]
        ),
        watch=watch,
    )
    paths = ("/a", "/b/1", "/a", "/b/2", "/one/x", "/two/x", "/one/x", "/a")

    async def main() -> None:
        for path in paths:
            await visit(app, path)
        await visit(app, "/a", method="POST")
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    counted = {(r.route, r.method): r.latency.count for r in watch.snapshot().requests}
    assert counted == {
        ("/a", "GET"): 3,
        ("/a", "POST"): 1,
        ("/b/{id}", "GET"): 2,
        ("/one/x", "GET"): 2,
        ("/two/x", "GET"): 1,
    }


def test_two_apps_of_one_process_do_not_lend_each_other_mounts(make_watch: MakeWatch) -> None:
    """The tree that is walked for a request's mounts is that of its own app."""
    watch = make_watch()
    leaf = Starlette(routes=[Route("/x", endpoint)])
    apps = [
        LoopWatchMiddleware(Starlette(routes=[Mount(path, app=leaf)]), watch=watch)
        for path in ("/{anything}", "/acme", "/{other}")
    ]

    async def main() -> None:
        for app in apps:
            await visit(app, "/acme/x")
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    counted = {r.route: r.latency.count for r in watch.snapshot().requests}
    assert counted == {"/{anything}/x": 1, "/acme/x": 1, "/{other}/x": 1}


def test_a_frameworks_own_template_is_taken(make_watch: MakeWatch) -> None:
    """Litestar leaves it in the scope."""
    watch = make_watch()

    async def litestar(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/books/{isbn}"
        await answer(send)

    async def main() -> None:
        await visit(LoopWatchMiddleware(litestar, watch=watch), "/books/978")
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    assert [r.route for r in watch.snapshot().requests] == ["/books/{isbn}"]


def test_a_server_s_root_path_is_no_mount(make_watch: MakeWatch) -> None:
    """Behind a proxy that strips a prefix the template is the app's own."""
    watch = make_watch()
    app = LoopWatchMiddleware(mounts(), watch=watch)

    async def main() -> None:
        await visit(app, "/proxied/tenants/acme/me", root_path="/proxied")
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    assert [r.route for r in watch.snapshot().requests] == ["/tenants/{tenant}/me"]


def test_anyone_may_set_the_template_and_wins(make_watch: MakeWatch) -> None:
    """For some requests of an endpoint alone, too: it is not remembered for the others."""
    watch = make_watch()

    async def page(request: Request) -> Response:
        if request.path_params["rest"] != "plain":
            request.scope["path_template"] = "/pages/{slug}"
        return PlainTextResponse("page")

    app = LoopWatchMiddleware(Starlette(routes=[Route("/p/{rest:path}", page)]), watch=watch)

    async def main() -> None:
        for path in ("/p/plain", "/p/a", "/p/plain", "/p/b"):
            await visit(app, path)
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    counted = {r.route: r.latency.count for r in watch.snapshot().requests}
    assert counted == {"/p/{rest}": 2, "/pages/{slug}": 2}


def test_a_fastapi_mount_of_any_app_is_its_route(make_watch: MakeWatch) -> None:
    watch = make_watch()
    fastapi = FastAPI()
    fastapi.mount("/graphql/{version}", raw)
    app = LoopWatchMiddleware(fastapi, watch=watch)

    async def main() -> None:
        await visit(app, "/graphql/2/some/where")
        await visit(app, "/nowhere/2")
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    assert {r.route for r in watch.snapshot().requests} == {"/graphql/{version}", "_NONE"}
