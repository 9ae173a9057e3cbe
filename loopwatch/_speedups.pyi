from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any

ABI: int

class RequestNumbers:
    started: float
    ended: float
    seconds: float
    steps: int
    door: Any
    outer: Any
    row: Any
    scope: Any
    times: Any

class RowNumbers:
    running: float
    time: float
    counts: list[int]
    door: Any
    method: str
    steps: Any
    sums: list[float]

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
    polling: bool
    entered: Any
    turn: Any
    long_tick: Any

def add_request(row: Any, request: Any, now: float, step: float, charged: float, /) -> None: ...
def add_to_known(
    rows: dict[Any, Any], request: Any, now: float, step: float, charged: float, /
) -> bool: ...
def begin(door: Any, scope: Any, /) -> Any: ...
def drive(
    pulse: Any, request: Any, coroutine: Coroutine[Any, Any, None], /
) -> Generator[Any, Any]: ...
def timed_run(run: Callable[[Any], None], pulses: dict[Any, Any], eager: bool, /) -> Any: ...
def timed_select(pulse: Any, select: Callable[[Any], Any], ready: Any, /) -> Any: ...
def wire_ledger(edges: tuple[float, ...], /) -> None: ...
def wire_request(request: type[Any], variable: ContextVar[Any], /) -> None: ...
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
