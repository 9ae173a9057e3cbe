"""A Sanic application under Sanic's own server."""

import asyncio
import time
from typing import Any

from sanic import Sanic, text
from sanic.views import HTTPMethodView

from loopwatch.frameworks.sanic import install
from tests.frameworks.apps.blocks import HOLD, LOOP, PORT, watched

app = Sanic("blocking", log_config={"version": 1})
app.config.USE_UVLOOP = LOOP == "uvloop"
app.config.ACCESS_LOG = False


@app.get("/block/<seconds:float>")
async def block(request: Any, seconds: float) -> Any:
    time.sleep(float(seconds))
    return text("blocked")


@app.get("/wait/<seconds:float>")
async def wait(request: Any, seconds: float) -> Any:
    await asyncio.sleep(seconds)
    return text("waited")


@app.get("/parts")
async def parts(request: Any) -> None:
    response = await request.respond(content_type="text/plain")
    await response.send("one ")
    time.sleep(HOLD)
    await response.send("two")
    await response.eof()


@app.get("/broken")
async def broken(request: Any) -> Any:
    time.sleep(HOLD)
    raise ValueError("broken")


class Items(HTTPMethodView):
    async def get(self, request: Any, item: int) -> Any:
        time.sleep(HOLD)
        return text("item")


app.add_route(Items.as_view(), "/items/<item:int>", name="items")
app.add_route(Items.as_view(), "/below/deep/<item:int>", name="deep")


@app.get("/parent")
async def parent(request: Any) -> Any:
    await asyncio.create_task(child())
    return text("done")


async def child() -> None:
    time.sleep(HOLD)


@app.websocket("/talk/<room>")
async def talk(request: Any, ws: Any, room: str) -> None:
    async for message in ws:
        time.sleep(HOLD)
        await ws.send(message)


def run() -> None:
    install(app, watch=watched())
    app.run("127.0.0.1", PORT, single_process=True, motd=False)
