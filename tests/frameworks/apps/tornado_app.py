"""A tornado.web application under its own server."""

import asyncio
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.routing import URLSpec
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from loopwatch.frameworks.tornado import install
from tests.frameworks.apps.blocks import HOLD, PORT, serve, watched


class Block(RequestHandler):
    async def get(self, seconds: str) -> None:
        time.sleep(float(seconds))
        self.write("blocked")


class Wait(RequestHandler):
    async def get(self, seconds: str) -> None:
        await asyncio.sleep(float(seconds))
        self.write("waited")


class Parts(RequestHandler):
    async def get(self) -> None:
        self.write("one ")
        await self.flush()
        time.sleep(HOLD)
        self.write("two")


class Broken(RequestHandler):
    def get(self) -> None:
        time.sleep(HOLD)
        raise ValueError("broken")

    def log_exception(self, *_: Any) -> None:
        pass


class Items(RequestHandler):
    def get(self, item: str) -> None:
        time.sleep(HOLD)
        self.write("item")


class Parent(RequestHandler):
    async def get(self) -> None:
        await asyncio.create_task(child())
        self.write("done")


async def child() -> None:
    time.sleep(HOLD)


class Talk(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        time.sleep(HOLD)
        await self.write_message(message)


def application() -> Application:
    app = Application(
        [
            (r"/block/(?P<seconds>[0-9.]+)", Block),
            (r"/wait/(?P<seconds>[^/]+)", Wait),
            (r"/parts", Parts),
            (r"/broken", Broken),
            (r"/parent", Parent),
            (r"/talk/(.*)", Talk),
            URLSpec(r"/items/(?P<item>\d+)", Items),
            (r"/below/deep/(?P<item>\d+)", Items),
        ],
        log_function=lambda handler: None,
    )
    install(app, watch=watched())
    return app


async def main() -> None:
    server = HTTPServer(application())
    server.listen(PORT, "127.0.0.1")
    await asyncio.Event().wait()


def run() -> None:
    serve(main())
