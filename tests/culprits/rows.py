"""The table: everywhere code can block, and what loopwatch must say of it, one row each.

A row is asked for at `/name`, its route, and its culprit is the line marked `# culprit: name`, in
the function that holds the mark, unless it says otherwise. Whatever is said of a line is said of
both loops and all Pythons, unless the row says on which it does not hold, and why.
"""

from dataclasses import dataclass
from typing import Literal

from .marks import Mark, marks

Trigger = Literal["GET", "WEBSOCKET", "SIGNAL", "STARTUP"]
Exact = Literal["exact", "line", "owner"]

BYSTANDER = "/bystander/{number}", "GET"
WAITING, PYTHON = ("blocking_call",), ("cpu",)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to hold the loop. `group` is the module it is in."""

    name: str
    group: str
    causes: tuple[str, ...] = WAITING
    trigger: Trigger = "GET"
    path: str = ""
    route: str | None = ""  # "": the path; None: no request owns it
    endpoint: str | None = ""  # function of the route, "": the marked one; None: it is not asked
    mark: str = ""
    exact: Exact = "exact"  # "line": it may say that it is not; "owner": then without the line
    alone: bool = True  # False: many took part, so there is no one route and site
    since: tuple[int, int] = (3, 11)
    needs: str = ""  # a module that may not be installed

    @property
    def asked(self) -> str:
        return self.path or f"/{self.name}"

    @property
    def expected_route(self) -> str | None:
        return self.asked if self.route == "" else self.route

    @property
    def expected_method(self) -> str | None:
        if self.expected_route is None:
            return None
        return "WEBSOCKET" if self.trigger == "WEBSOCKET" else "GET"

    @property
    def expected_owners(self) -> tuple[tuple[str | None, str | None], ...]:
        """Routes with their methods. A signal in the poll is handled as Python code runs next: on
        uvloop that may be a timer of a bystander's, whose step it is then."""
        owner = self.expected_route, self.expected_method
        return (owner, BYSTANDER) if self.trigger == "SIGNAL" else (owner,)

    @property
    def culprit(self) -> Mark:
        return marks()[self.mark or self.name]

    @property
    def expected_coroutine(self) -> str | None:
        """None: it is not asked."""
        if self.endpoint == "":
            return self.culprit.function
        return f"tests.culprits.{self.group}.{self.endpoint}" if self.endpoint else None


def place(name: str, endpoint: str | None = "", **more: object) -> Row:
    return Row(name=name, group="places", endpoint=endpoint, **more)  # type: ignore[arg-type]


def task(name: str, endpoint: str | None = "", **more: object) -> Row:
    return Row(name=name, group="tasks", endpoint=endpoint, **more)  # type: ignore[arg-type]


def wait(name: str, **more: object) -> Row:
    return Row(name=name, group="waits", **more)  # type: ignore[arg-type]


def keeper(name: str, exact: Exact = "line", **more: object) -> Row:
    told: dict[str, object] = {"causes": ("native_gil",), "exact": exact} | more
    return Row(name=name, group="native", **told)  # type: ignore[arg-type]


ROWS = (
    Row(name="lifespan", group="app", trigger="STARTUP", route=None, endpoint=None),
    place("endpoint", path="/endpoint/7", route="/endpoint/{number}"),
    place("deep", "deep"),
    place("dependency", "dependency"),
    place("dependency_before_yield", "dependency_before_yield"),
    place("dependency_after_yield", "dependency_after_yield"),
    place("asgi_before", "asgi_before"),
    place("asgi_after", "asgi_after"),
    place("dispatch_before", "dispatch_before"),
    place("dispatch_after", "dispatch_after"),
    place("behind_dispatch"),
    place("exception_handler", "exception_handler"),
    place("serialisation", causes=("native_gil", "cpu"), exact="line"),
    place("background", "background"),
    place("streaming", "streaming"),
    place("websocket", trigger="WEBSOCKET", path="/websocket/9", route="/websocket/{room}"),
    task("create_task", "create_task"),
    task("task_group", "task_group"),
    task("gather", "gather"),
    task("anyio_task_group", "anyio_task_group"),
    task("task_left_behind", "after_the_answer"),
    task("eager_task", "eager_task", since=(3, 12)),
    task("call_soon", "call_soon"),
    task("call_later", "call_later"),
    task("nobodys_callback", None, route=None),
    task("done_callback", "done_callback"),
    task("finaliser", "finaliser"),
    task("del", "dropping"),
    task("signal_in_step", "signal_in_step", mark="signal"),
    task("signal_in_poll", None, mark="signal", trigger="SIGNAL", route=None),
    task("loop_signal", None, route=None),
    task("many_callbacks", None, causes=("many_callbacks",), alone=False),
    wait("subprocess"),
    wait("lock"),
    wait("queue"),
    wait("requests", needs="requests"),
    wait("httpx"),
    wait("openai"),
    wait("sqlite_query", causes=PYTHON),  # C code on the CPU that let the GIL go
    wait("sqlite_locked"),
    wait("dns"),
    wait("thread_join"),
    wait("future_result"),
    wait("logging"),
    wait("import", causes=("import",), exact="line"),
    wait("import_own", causes=("import",), endpoint="import_own_lately"),
    wait("template", causes=PYTHON, needs="jinja2"),
    keeper("regex"),
    keeper("sort"),
    keeper("json"),
    keeper("pickle"),
    keeper("comprehension", causes=PYTHON, exact="exact"),
    keeper("power", exact="owner"),
    keeper("contains", exact="owner"),
    keeper("contains_below", exact="owner", endpoint="contains_below"),
)

GOOD = (
    "/good/endpoint",
    "/good/dependency",
    "/good/streaming",
    "/good/background",
    "/good/task",
    "/good/turns",
    "/good/httpx",
    "/good/openai",
    "/good/subprocess",
    "/good/future_result",
)
