"""An aiohttp.web application under its own server."""

import asyncio
import time

from aiohttp import web

from loopwatch.frameworks.aiohttp import Middleware
from tests.frameworks.apps.blocks import HOLD, PORT, serve, watched


async def block(request: web.Request) -> web.Response:
    time.sleep(float(request.match_info["seconds"]))
    return web.Response(text="blocked")


async def wait(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.match_info["seconds"]))
    return web.Response(text="waited")


async def parts(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"one ")
    time.sleep(HOLD)
    await response.write(b"two")
    await response.write_eof()
    return response


async def broken(request: web.Request) -> web.Response:
    time.sleep(HOLD)
    raise ValueError("broken")


class Items(web.View):
    async def get(self) -> web.Response:
        time.sleep(HOLD)
        return web.Response(text="item")


async def parent(request: web.Request) -> web.Response:
    await asyncio.create_task(child())
    return web.Response(text="done")


async def child() -> None:
    time.sleep(HOLD)


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        time.sleep(HOLD)
        await socket.send_str(message.data)
    return socket


def application() -> web.Application:
    app = web.Application(middlewares=[Middleware(watch=watched())])
    below = web.Application()
    below.router.add_get("/deep/{item}", Items)
    app.add_subapp("/below", below)
    app.add_routes(
        [
            web.get(r"/block/{seconds:[0-9.]+}", block),
            web.get("/wait/{seconds}", wait),
            web.get("/parts", parts),
            web.get("/broken", broken),
            web.get("/parent", parent),
            web.get("/talk/{room}", talk),
            web.view("/items/{item}", Items),
        ]
    )
    return app


async def main() -> None:
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    await asyncio.Event().wait()


def run() -> None:
    serve(main())
