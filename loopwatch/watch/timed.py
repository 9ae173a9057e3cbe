"""`timed`: the latency of one coroutine, from its first step to its result, waiting included."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from loopwatch.core.names import callable_name, coroutine_name
from loopwatch.loop.loop_state import clock
from loopwatch.watch.watched_loop import find

P = ParamSpec("P")
T = TypeVar("T")
AsyncFunction = Callable[P, Coroutine[Any, Any, T]]


@overload
def timed(what: str, /) -> Callable[[AsyncFunction[P, T]], AsyncFunction[P, T]]: ...
@overload
def timed(what: Awaitable[T], label: str | None = None, /) -> Coroutine[Any, Any, T]: ...
@overload
def timed(what: AsyncFunction[P, T], /) -> AsyncFunction[P, T]: ...
def timed(what: Any, label: str | None = None, /) -> Any:
    """Time a coroutine: `await timed(coro, "label")`, `@timed` or `@timed("label")`.

    Seconds go to `loopwatch_coroutine_seconds{coroutine=label}` and `snapshot().timed`, whether it
    returns, raises or is cancelled. Without a label, `module.qualname`. On a loop that is not
    watched it only awaits.

    Raises:
        TypeError: it is neither awaitable, nor an `async def` function, nor a label.
    """
    if isinstance(what, str) and label is None:
        return functools.partial(_decorated, label=what)
    if inspect.isawaitable(what):
        return _timed(what, label or coroutine_name(what) or type(what).__qualname__)
    return _decorated(what, label)


async def _timed(awaitable: Awaitable[T], label: str) -> T:
    began = clock()
    try:
        return await awaitable
    finally:
        watched = find()
        if watched is not None:
            watched.timed.add(label, clock() - began)


def _decorated(function: Any, label: str | None) -> Any:
    if not inspect.iscoroutinefunction(function):
        raise TypeError(
            "timed takes a coroutine, an async def function or a label, "
            f"got {function!r}; call it as timed(coro, 'label'), @timed or @timed('label')"
        )
    name = label or callable_name(function)

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await _timed(function(*args, **kwargs), name)

    return wrapper
