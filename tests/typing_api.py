"""The public API as types: checked by mypy, never run.

`assert_type` says what a checker must conclude; `# type: ignore[...]` marks what it must refuse,
and mypy complains where nothing is refused.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, assert_type

from prometheus_client import CollectorRegistry

import loopwatch
from loopwatch import (
    Frame,
    Histogram,
    Instrument,
    LoopWatchMiddleware,
    Site,
    Snapshot,
    Source,
    Stall,
    Watch,
    __version__,
    metrics,
    page,
    timed,
)
from loopwatch.core.causes import Cause
from loopwatch.core.record_types import LoopReading


async def number(of: str) -> int:
    return len(of)


async def forms_of_timed(text: str) -> None:
    coroutine: Coroutine[Any, Any, int] = timed(number(text))
    assert_type(await coroutine, int)
    assert_type(await timed(number(text), "label"), int)
    assert_type(await decorated("x"), int)
    assert_type(await labelled("x"), int)
    await decorated(5)  # type: ignore[arg-type]
    timed(5)  # type: ignore[call-overload]


@timed
async def decorated(of: str) -> int:
    return len(of)


@timed("label")
async def labelled(of: str) -> int:
    return len(of)


async def of_any_awaitable(awaitable: Awaitable[bytes]) -> None:
    assert_type(await timed(awaitable, "label"), bytes)


def watches(registry: CollectorRegistry) -> None:
    with Watch(slow_callback_duration=1, debug=True, log=False, otel=False) as watch:
        assert_type(watch, Watch)
    assert_type(Watch(registry=registry).stalls, tuple[Stall, ...])
    assert_type(Watch(registry=None).snapshot(), Snapshot)
    assert_type(Watch.from_env(), Watch)
    assert_type(Watch.from_env({"LOOPWATCH_DEBUG": "1"}), Watch)
    Watch(0.1)  # type: ignore[call-arg]
    Watch(slow_callback_duration="0.1")  # type: ignore[arg-type]


class Recorder:
    def stalled(self, stall: Stall) -> None: ...


class Nothing: ...


def instruments(watch: Watch) -> None:
    instrument: Instrument = Recorder()
    watch.add_instrument(instrument)
    watch.remove_instrument(instrument)
    watch.add_instrument(Nothing())  # type: ignore[arg-type]
    source: Source = watch
    assert_type(source.snapshot(), Snapshot)
    assert_type(source.snapshot(recent=False), Snapshot)


def records(stall: Stall, snapshot: Snapshot, histogram: Histogram) -> None:
    assert_type(stall.duration, float)
    assert_type(stall.route, str | None)
    assert_type(stall.site, Site)
    assert_type(stall.site.line, int)
    assert_type(stall.stack, tuple[Frame, ...])
    assert_type(stall.cause, Cause)
    assert_type(stall.to_dict(), dict[str, Any])
    assert_type(snapshot.loops, tuple[LoopReading, ...])
    assert_type(histogram.quantile(0.5), float)
    assert_type(histogram + histogram, Histogram)
    assert_type(__version__, str)
    stall.duration = 1.0  # type: ignore[misc]


def apps(app: Callable[..., Awaitable[None]], watch: Watch) -> None:
    from fastapi import FastAPI
    from starlette.applications import Starlette

    FastAPI().add_middleware(LoopWatchMiddleware)
    FastAPI().add_middleware(LoopWatchMiddleware, watch=watch)
    Starlette().add_middleware(LoopWatchMiddleware, watch=watch)
    LoopWatchMiddleware(Starlette())
    LoopWatchMiddleware(app, watch=watch)
    FastAPI().mount("/metrics", metrics())
    metrics(CollectorRegistry())
    metrics("registry")  # type: ignore[arg-type]
    FastAPI().mount("/loopwatch", page(watch))
    page("watch")  # type: ignore[arg-type]
    print(loopwatch.pages)  # type: ignore[attr-defined]
    LoopWatchMiddleware(app, watch)  # type: ignore[call-arg]
