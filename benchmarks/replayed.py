"""The measured process of `replay.py`: an app under loopwatch on one loop.

It prints its port. At the first line on its standard input it prints latency by route, as the
server measured it, and what replays predict of the fixes, as JSON; then it ends.

    python benchmarks/replayed.py APP FIX LOOP
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from fixes import APPS

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.quantiles import Quantiles
from loopwatch.core.record_types import NONE
from loopwatch.replay.prediction import Prediction

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # of the demo
THRESHOLD = 0.05  # s
PATIENCE = 1.5  # s in which stalls are explained


def told(prediction: Prediction) -> dict[str, Any]:
    return {
        "reason": prediction.reason,
        "routes": {row.route: asdict(row.then) for row in prediction.routes},
    }


def results(watch: Watch) -> dict[str, Any]:
    """Return what was measured, and what is predicted."""
    time.sleep(PATIENCE)
    measured: dict[str, list[float]] = {}
    for request in watch.snapshot().recent_requests():
        measured.setdefault(request.route, []).append(request.latency)
    began = time.process_time()
    replay = watch.replay()
    if dump := os.environ.get("DUMP"):
        Path(f"{dump}.{sys.argv[2]}").write_bytes(pickle.dumps((watch.recordings(), watch.stalls)))
    sites = sorted({s.site.function for s in watch.stalls} - {NONE})
    found: dict[str, Any] = {"again": told(replay.as_it_was())}
    if sites:
        found["thread"] = told(replay.without(*sites))
        found["process"] = told(replay.in_processes(*sites))
        found["removed"] = told(replay.removed(*sites))
    for shared in replay.shared[:1]:
        found["places"] = told(replay.with_places(shared.routes[0], 2 * shared.places))
        found["shared"] = [*shared.routes, shared.places]
    return {
        "measured": {r: asdict(Quantiles.of(each)) for r, each in measured.items()},
        "counts": {r: len(each) for r, each in measured.items()},
        "predicted": found,
        "sites": sites,
        "seconds": time.process_time() - began,
    }


async def serve(app: Any, watch: Watch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.05)
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps(await asyncio.to_thread(results, watch)), flush=True)
    server.should_exit = True
    await serving


def main() -> None:
    name, fix, loop = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    watch = Watch(slow_callback_duration=THRESHOLD, log=False)
    app = LoopWatchMiddleware(APPS[name](fix), watch=watch)
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(app, watch))


if __name__ == "__main__":
    main()
