"""The measured process: one uvicorn worker with one app on one loop under one variant.

First line on stdout: `{"port": ...}`, or `{"missing": ...}` or `{"not_applicable": ...}` instead.
It stops when its standard input closes, so it cannot outlive its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import sys
import threading
from collections.abc import Callable

import evenclock
import uvicorn
from apps import APPS, App
from refusal import NotApplicableError
from variants import VARIANTS

NEVER = 86_400.0


class Server(uvicorn.Server):
    """Housekeeping is timed, so a slowed server would do it far too often per request."""

    def __init__(self, config: uvicorn.Config, slowed: bool) -> None:
        super().__init__(config)
        self.slowed = slowed
        self.stopped = asyncio.get_running_loop().create_future()

    async def main_loop(self) -> None:
        if not self.slowed:
            return await super().main_loop()
        await self.on_tick(0)
        await asyncio.wait([self.stopped], timeout=NEVER)
        return None

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(0)
        self.stopped.set_result(None)
        self.should_exit = True


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def listener() -> socket.socket:
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio sets no TCP_NODELAY
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    return listening


def server_for(app: App, slowed: bool) -> Server:
    config = uvicorn.Config(
        app, http="httptools", access_log=False, log_level="warning", timeout_keep_alive=3600
    )
    return Server(config, slowed)


async def serve(app: App, variant: str, dilation: float) -> None:
    VARIANTS[variant](app, dilation)
    server = server_for(app, slowed=dilation != 1)
    asyncio.get_running_loop().add_reader(0, server.stop)
    with listener() as listening:
        say(port=listening.getsockname()[1])
        await server.serve(sockets=[listening])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", choices=APPS, required=True)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], required=True)
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--dilation", type=float, default=1.0)
    parser.add_argument("--processor", type=int, help="the only one it may run on")
    return parser.parse_args()


def be_ordinary() -> None:
    """Have what any server has after a while, and what would favour one variant or another.

    glibc serves blocks as large as asyncio's of 256 KiB by system calls, until one such block was
    freed. A process with one thread only takes shorter ways through glibc and the kernel.
    """
    bytearray(1 << 20)
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def main() -> None:
    chosen = arguments()
    if chosen.processor is not None:
        os.sched_setaffinity(0, {chosen.processor})  # before there are other threads
    be_ordinary()
    if chosen.dilation != 1:
        gc.disable()  # the number of collections in a batch is random: 2 % of noise
        evenclock.install()
    try:
        with asyncio.Runner(loop_factory=loop_factory(chosen.loop)) as runner:
            runner.run(serve(APPS[chosen.app](), chosen.variant, chosen.dilation))
    except NotApplicableError as reason:
        say(not_applicable=str(reason))
    except ModuleNotFoundError as error:
        say(missing=error.name)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
