"""The variants of the measured server, one function each.

A function gets the app before its first request, and is called on the running loop. Thresholds in
seconds are multiplied by `dilation`: how much slower than normal the server runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TypeAlias

from apps import App
from refusal import NotApplicableError
from starlette.types import ASGIApp, Receive, Scope, Send

SwitchOn: TypeAlias = Callable[[App, float], None]
SLOW = 0.1


class Empty:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def bare(app: App, dilation: float) -> None:
    pass


def empty_middleware(app: App, dilation: float) -> None:
    app.add_middleware(Empty)


def loopwatch(app: App, dilation: float) -> None:
    from loopwatch import LoopWatchMiddleware, Watch

    app.add_middleware(LoopWatchMiddleware, watch=Watch(slow_callback_duration=SLOW * dilation))


def loopwatch_python(app: App, dilation: float) -> None:
    """Like an installation without a compiler."""
    sys.modules["loopwatch._speedups"] = None  # type: ignore[assignment]
    loopwatch(app, dilation)


def aiocop(app: App, dilation: float) -> None:
    import aiocop as cop

    cop.patch_audit_functions()
    cop.start_blocking_io_detection(trace_depth=20)
    cop.detect_slow_tasks(threshold_ms=int(30 * dilation), on_slow_task=lambda event: None)
    cop.activate()


def aiodebug(app: App, dilation: float) -> None:
    from aiodebug import log_slow_callbacks

    if not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        raise NotApplicableError("it wraps asyncio.Handle._run, which this loop never calls")
    log_slow_callbacks.enable(SLOW * dilation)


def debug_mode(app: App, dilation: float) -> None:
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = SLOW * dilation
    loop.set_debug(True)


def prometheus_fastapi_instrumentator(app: App, dilation: float) -> None:
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app)


def opentelemetry_instrumentation_asgi(app: App, dilation: float) -> None:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import TracerProvider

    app.add_middleware(OpenTelemetryMiddleware, tracer_provider=TracerProvider())


VARIANTS: dict[str, SwitchOn] = {
    "bare": bare,
    "empty": empty_middleware,
    "loopwatch": loopwatch,
    "loopwatch-python": loopwatch_python,
    "aiocop": aiocop,
    "aiodebug": aiodebug,
    "asyncio-debug": debug_mode,
    "prometheus-fastapi-instrumentator": prometheus_fastapi_instrumentator,
    "opentelemetry-instrumentation-asgi": opentelemetry_instrumentation_asgi,
}
