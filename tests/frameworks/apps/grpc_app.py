"""A grpc.aio server; its messages are plain bytes."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from loopwatch.frameworks.grpc import Interceptor
from tests.frameworks.apps.blocks import HOLD, PORT, serve, watched


class Shop:
    """A servicer, as generated code would call it."""

    async def block(self, request: bytes, context: Any) -> bytes:
        time.sleep(float(request))
        return b"blocked"

    async def wait(self, request: bytes, context: Any) -> bytes:
        await asyncio.sleep(float(request))
        return b"waited"

    async def parts(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"one "
        time.sleep(HOLD)
        yield b"two"

    async def broken(self, request: bytes, context: Any) -> None:
        time.sleep(HOLD)
        await context.abort(grpc.StatusCode.INTERNAL, "broken")

    async def parent(self, request: bytes, context: Any) -> bytes:
        await asyncio.create_task(child())
        return b"done"

    async def talk(self, requests: AsyncIterator[bytes], context: Any) -> None:
        async for request in requests:
            time.sleep(HOLD)
            await context.write(request)

    async def total(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        parts = [request async for request in requests]
        time.sleep(HOLD)
        return b"".join(parts)

    def threaded(self, request: bytes, context: Any) -> bytes:
        time.sleep(HOLD)
        return b"threaded"


async def child() -> None:
    time.sleep(HOLD)


def handlers() -> Any:
    shop = Shop()
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    methods = {
        "Block": unary(shop.block),
        "Wait": unary(shop.wait),
        "Parts": stream(shop.parts),
        "Broken": unary(shop.broken),
        "Parent": unary(shop.parent),
        "Talk": grpc.stream_stream_rpc_method_handler(shop.talk),
        "Total": grpc.stream_unary_rpc_method_handler(shop.total),
        "Threaded": unary(shop.threaded),
    }
    return grpc.method_handlers_generic_handler("shop.Shop", methods)


async def main() -> None:
    server = grpc.aio.server(interceptors=[Interceptor(watch=watched())])
    server.add_generic_rpc_handlers((handlers(),))
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    await server.start()
    await server.wait_for_termination()


def run() -> None:
    serve(main())
