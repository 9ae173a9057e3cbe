"""aiohttp.web: its middleware gives stalls a route, and counts the requests that had to wait.

python examples/at_home/aiohttp_server.py
"""

import asyncio
import sys
import time

try:
    from aiohttp import ClientSession, web
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install aiohttp", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch
from loopwatch.frameworks.aiohttp import Middleware

watch = Watch()
routes = web.RouteTableDef()


@routes.get("/invoices/{number}")
async def invoice(request: web.Request) -> web.Response:
    time.sleep(0.5)  # blocks
    return web.json_response(request.match_info["number"])


@routes.get("/ping")
async def ping(request: web.Request) -> web.Response:
    return web.Response(text="pong")


async def main() -> None:
    app = web.Application(middlewares=[Middleware(watch=watch)])
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _, port = runner.addresses[0]
    async with ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/ping") as answer:
            print(await answer.text())
        async with session.get("/invoices/7") as answer:
            print(await answer.json())
    await runner.cleanup()


if __name__ == "__main__":
    with watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.method} {stall.route} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.coroutine}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   pong
#   7
#   GET /invoices/{number} held the loop for 0.5 s
#       in __main__.invoice, line 25: time.sleep(0.5)
