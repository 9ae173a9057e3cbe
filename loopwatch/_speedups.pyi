from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any

ABI: int

class RequestNumbers:
    started: float
    ended: float
    seconds: float
    queued: float
    stalled: float
    pooled: float
    responded: float
    settled: float
    stepped: float
    taken: float
    charged: float
    charged_background: float
    charged_stalled: float
    span: Any
    waits: Any
    steps: int
    door: Any
    outer: Any
    row: Any
    scope: Any
    times: Any

class RowNumbers:
    running: float
    time: float
    queued: float
    stalled: float
    pooled: float
    background: float
    finished: int
    counts: list[int]
    door: Any
    method: str
    steps: Any
    sums: list[float]
    def recent(self) -> bytes: ...

class StepNumbers:
    seconds: float
    steps: int

class PulseNumbers:
    mark: float
    tick: float
    idle: float
    limit: float
    other_seconds: float
    other_steps: int
    behind: float
    drives: bool
    polling: bool
    entered: Any
    turn: Any
    long_tick: Any
    span: Any

def add_request(row: Any, request: Any, now: float, step: float, /) -> None: ...
def add_to_known(rows: dict[Any, Any], request: Any, now: float, step: float, /) -> bool: ...
def answering(
    pulse: Any, request: Any, receive: Any, send: Any, start: Any, late: Any, /
) -> Any: ...
def begin(door: Any, scope: Any, /) -> Any: ...
def drive(
    pulse: Any, request: Any, coroutine: Coroutine[Any, Any, None], /
) -> Generator[Any, Any]: ...
def finish(pulse: Any, rows: dict[Any, Any], request: Any, /) -> bool: ...
def timed_run(run: Callable[[Any], None], pulses: dict[Any, Any], eager: bool, /) -> Any: ...
def timed_select(pulse: Any, select: Callable[[Any], Any], ready: Any, /) -> Any: ...
def wire_ledger(edges: tuple[float, ...], /) -> None: ...
def wire_request(request: type[Any], variable: ContextVar[Any], slow: float, /) -> None: ...
def wire_steps(
    crowd: int,
    task: type[Any],
    handle: type[Any],
    end_long_step: Callable[..., None],
    end_other_step: Callable[..., None],
    share_step: Callable[..., None],
    end_long_driven_step: Callable[..., None],
    /,
) -> None: ...
