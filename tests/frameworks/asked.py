"""What the apps of the table are asked, and what has to be told of it."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

HOLD = 0.6  # s
THRESHOLD = 0.3  # s: what else an app does, even at its first request, is shorter
ADDRESS = "127.0.0.1"


class Asked(NamedTuple):
    """One request or message, the function that holds the loop then, and what is told."""

    path: str
    function: Any  # the own function whose line marked `# held` it is
    route: str | None
    coroutine: Any = None  # the own function that is named, if it is another one
    method: str = "GET"
    talk: Callable[[str], None] | None = None  # given the address; by default GET or a websocket

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def told(asked: Asked) -> dict[str, Any]:
    """Return what has to be told."""
    coroutine = asked.coroutine or asked.function
    return {
        "function": full_name(asked.function),
        "line": held_line(asked.function),
        "route": asked.route,
        "method": asked.method,
        "coroutine": coroutine if isinstance(coroutine, str) else full_name(coroutine),
        "cause": "blocking_call",
        "exact": True,
    }


def full_name(function: Any) -> str:
    code = inspect.unwrap(function)
    return f"{code.__module__}.{code.__qualname__}"


def held_line(function: Any) -> int:
    lines, first = inspect.getsourcelines(inspect.unwrap(function))
    return next(n for n, line in enumerate(lines, first) if line.rstrip().endswith("# held"))


class Outer:
    """An own middleware around the app: it merely waits, so it is nobody's culprit."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)
