from collections.abc import Callable, Sequence
from contextvars import Context, ContextVar
from typing import Any

ABI: int

class Request:
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
    routed: Any
    steps: int
    door: Any
    outer: Any
    row: Any
    scope: Any
    @property
    def times(self) -> tuple[float, ...]: ...
    def add_long_step(self, took: float, /) -> bool: ...
    def forget_long_steps(self) -> None: ...
    def take_steps(self, row: StepNumbers, /) -> float: ...

class RowNumbers:
    running: float
    time: float
    queued: float
    stalled: float
    pooled: float
    background: float
    door: Any
    method: str
    steps: Any
    @property
    def finished(self) -> int: ...
    @property
    def counts(self) -> tuple[int, ...]: ...
    @property
    def sums(self) -> tuple[float, ...]: ...
    def recent(self) -> bytes: ...

class StepNumbers:
    seconds: float
    steps: int
    @property
    def counts(self) -> tuple[int, ...]: ...
    @property
    def sums(self) -> tuple[float, ...]: ...
    def add(self, took: float, /) -> None: ...

class LoopStateNumbers:
    mark: float
    tick: float
    idle: float
    limit: float
    threshold: float
    other_seconds: float
    other_steps: int
    behind: float
    busy_since: float
    idle_before: float
    turns: int
    ready: int
    polling: bool
    eager: bool
    closed: bool
    entered: Any
    long_tick: Any
    span: Any
    @property
    def asleep(self) -> bool: ...
    @property
    def running(self) -> Any: ...
    @property
    def tick_counts(self) -> tuple[int, ...]: ...
    @property
    def tick_sums(self) -> tuple[float, ...]: ...
    @property
    def tick_squares(self) -> tuple[float, ...]: ...
    def position(self, now: float, /) -> tuple[int, float, float | None]: ...
    def count_tick(self, took: float, /) -> None: ...
    def fall_behind(self, took: float, /) -> None: ...
    def take_notes(self) -> list[tuple[Any, Any, float]]: ...

class LibuvPoll:
    def __init__(
        self,
        state: LoopStateNumbers,
        loop: int,
        functions: tuple[int, ...],
        prepare_size: int,
        check_size: int,
        /,
    ) -> None: ...
    def close(self) -> None: ...
    def detach(self) -> None: ...

class Middleware:
    app: Any
    def remember(
        self,
        loop: Any,
        watched: Any,
        state: LoopStateNumbers,
        rows: dict[Any, Any],
        start: Any,
        late: Any,
        /,
    ) -> None: ...
    def forget(self) -> None: ...

class Watcher:
    def __init__(self, late: float, /) -> None: ...
    @property
    def asked(self) -> Any: ...
    def before(self, *arguments: Any) -> Any: ...
    def close(self) -> None: ...
    def set_keep_alive(self, due: Any, timer: int, patience: float, /) -> None: ...
    def read_from(self, *descriptors: Any) -> None: ...
    def ring(self) -> None: ...
    def wait(self, due: float, /) -> tuple[float, float, list[int], list[int]]: ...
    def watch(self, entries: Sequence[tuple[Any, ...]], period: float, main: bool, /) -> None: ...

def add_request(row: Any, request: Request, now: float, step: float, /) -> None: ...
def add_to_known(rows: dict[Any, Any], request: Request, now: float, step: float, /) -> bool: ...
def answering(
    state: Any, request: Request, receive: Any, send: Any, start: Any, late: Any, /
) -> Any: ...
def begin(door: Any, scope: Any, /) -> Request: ...
def clock() -> float: ...
def running_context(thread: int, /) -> Context | None: ...
def set_clock_step(seconds: float, /) -> None: ...
def timed_run(run: Callable[[Any], None], states: dict[Any, Any], eager: bool, /) -> Any: ...
def timed_select(state: Any, select: Callable[[Any], Any], ready: Any, /) -> Any: ...
def timed_soon(state: Any, original: Callable[..., Any], at: int, /) -> Callable[..., Any]: ...
def wire_ledger(edges: tuple[float, ...], /) -> None: ...
def wire_middleware(running_loop: Callable[[], Any], awaiting: Callable[..., Any], /) -> None: ...
def wire_request(variable: ContextVar[Any], slow: float, /) -> None: ...
def wire_steps(
    busy_tick: int,
    old: float,
    least: float,
    waited: float,
    task: type[Any],
    handle: type[Any],
    run: Callable[[Any], None],
    report: Callable[..., None],
    ways: tuple[Callable[..., None], ...],
    /,
) -> None: ...
