"""grpc.aio: its interceptor gives stalls the method that was called.

    python examples/at_home/grpc_server.py

The messages are plain bytes, so that the example needs no generated code.
"""

import asyncio
import sys
import time

try:
    import grpc.aio
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install grpcio", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch
from loopwatch.frameworks.grpc import Interceptor

watch = Watch()


async def buy(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    await asyncio.sleep(0.01)
    return charge(request)


def charge(request: bytes) -> bytes:
    time.sleep(0.5)  # blocks
    return request.upper()


async def main() -> None:
    server = grpc.aio.server(interceptors=[Interceptor(watch=watch)])
    methods = {"Buy": grpc.unary_unary_rpc_method_handler(buy)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Shop", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/shop.Shop/Buy", bytes, bytes)
        print(await call(b"two cups"))
    await server.stop(None)


if __name__ == "__main__":
    with watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.route} held the loop for {stall.duration:.1f} s, in {stall.coroutine}")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   b'TWO CUPS'
#   /shop.Shop/Buy held the loop for 0.5 s, in __main__.buy
#       in __main__.charge, line 30: time.sleep(0.5)
