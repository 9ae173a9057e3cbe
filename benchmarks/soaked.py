"""The soaked process: a real uvicorn with an app that answers, and blocks when it is asked to.

First line on stdout: the ports. For each line on standard input it prints its figures as JSON,
from a thread of its own, so the loop is left alone. It ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import threading
import time
from collections import Counter

import uvicorn
from prometheus_client import CollectorRegistry
from server import listener, loop_factory
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopwatch import LoopWatchMiddleware, Watch

BLOCK = 0.15  # s that each request to /block holds the loop


async def work(request: Request) -> PlainTextResponse:
    await asyncio.sleep(0.001)
    return PlainTextResponse("x")


async def block(request: Request) -> PlainTextResponse:
    time.sleep(BLOCK)
    return PlainTextResponse("x")


class Errors(logging.Handler):
    """Counts what loopwatch reports about itself; its sentences about stalls are left out."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.count += 1
            print(record.getMessage(), file=sys.stderr)


def app(watch: Watch) -> Starlette:
    made = Starlette(routes=[Route("/", work), Route("/block", block)])
    made.add_middleware(LoopWatchMiddleware, watch=watch)
    return made


def figures(watch: Watch, errors: Errors) -> dict[str, object]:
    shot = watch.snapshot(recent=False)
    stalls, others = Counter[str](), Counter[str]()
    for site in shot.sites:
        (stalls if site.route == "/block" else others)[site.cause] += site.stalls.count
    return {
        "requests": {row.route: row.latency.count for row in shot.requests},
        "stalls": stalls.total(),
        "others": dict(others),
        "dropped": {reason: count for reason, count in shot.dropped.items() if count},
        "errors": errors.count,
        "own": shot.self_seconds,
        "cpu": time.process_time(),
    }


def answer(watch: Watch, errors: Errors, server: uvicorn.Server) -> None:
    for _ in sys.stdin:
        print(json.dumps(figures(watch, errors)), flush=True)
    server.should_exit = True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def serve(watch: Watch, errors: Errors, metrics: int) -> None:
    config = uvicorn.Config(
        app(watch), access_log=False, log_level="warning", timeout_keep_alive=3600
    )
    server = uvicorn.Server(config)
    watch.start()
    with listener() as listening:
        print(json.dumps({"port": listening.getsockname()[1], "metrics": metrics}), flush=True)
        threading.Thread(target=answer, args=(watch, errors, server), daemon=True).start()
        await server.serve(sockets=[listening])


def main(loop: str) -> None:
    errors, logger, metrics = Errors(), logging.getLogger("loopwatch"), free_port()
    logger.addHandler(errors)
    logger.propagate = False
    watch = Watch(registry=CollectorRegistry(), metrics_port=metrics)
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(serve(watch, errors, metrics))
    watch.stop()


if __name__ == "__main__":
    main(sys.argv[1])
