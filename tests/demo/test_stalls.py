"""What loopwatch says of the demo: every bad route by name, of the good ones nothing."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from examples.demo.traffic import VISITS, Visit

from .running import CHECKOUT, Demo, running_demo

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Culprit:
    """Where the stall of a bad route must be placed: on one of `calls` in `function` of `file`."""

    file: str
    function: str
    calls: tuple[str, ...]
    causes: tuple[str, ...] = ("blocking_call",)

    @property
    def name(self) -> str:
        return f"examples.demo.{self.file.removesuffix('.py').replace('/', '.')}.{self.function}"

    @property
    def path(self) -> Path:
        return CHECKOUT / "examples/demo" / self.file

    @property
    def lines(self) -> set[int]:
        """Find the calls in the function's own source."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        start = next(i for i, line in enumerate(lines) if f"def {self.function}(" in line)
        end = next((i for i in range(start + 1, len(lines)) if starts_anew(lines[i])), len(lines))
        return {i + 1 for i in range(start, end) if any(call in lines[i] for call in self.calls)}


def starts_anew(line: str) -> bool:
    return line.startswith(("def ", "async def ", "@", "class "))


BUSY = ("starved", "gil_contention", "unknown")  # what a crowded machine may add to any cause
COMPUTING = ("cpu", "blocking_call")  # SQLite computes in the calling thread
SLEEP = ("time.sleep(PAUSE)",)
CULPRITS = {
    "/sleep/async-def": Culprit("lessons/sleep.py", "in_async_def", SLEEP),
    "/cpu/async-def": Culprit(
        "squares.py", "sum_of_squares", ("for i in", "total += i * i"), ("cpu",)
    ),
    "/users/sqlite3/{user_id}": Culprit(
        "lessons/users.py", "with_sqlite3", ("connection.execute(",), COMPUTING
    ),
    "/chat/openai": Culprit("lessons/chat.py", "with_openai", ("completions.create(",)),
    "/embeddings/openai": Culprit("lessons/chat.py", "embed_with_openai", ("embeddings.create(",)),
    "/pdf/direct": Culprit("lessons/pdf.py", "analyse", ("page.extract_words()",), ("cpu",)),
    "/dependency/blocking": Culprit("lessons/dependency.py", "blocking_session", SLEEP),
    "/child-task/blocking": Culprit("lessons/child_task.py", "blocking_report", SLEEP),
    "/websocket/blocking": Culprit("lessons/websocket.py", "blocking", SLEEP),
    "/background/blocking": Culprit("lessons/background.py", "blocking_mail", SLEEP),
}
BAD = [visit for visit in VISITS if not visit.good]
GOOD = [visit for visit in VISITS if visit.good]


def route(visit: Visit) -> str:
    return visit.path.replace("/7", "/{user_id}")


def pay(demo: Demo, visit: Visit) -> None:
    if visit.method == "WEBSOCKET":
        with connect(f"ws://{demo.address}{visit.path}", proxy=None) as websocket:
            websocket.send("hello")
            assert websocket.recv(timeout=10) == "hello"
    else:
        answer = demo.client.request(visit.method, visit.path, json=visit.json)
        assert answer.is_success, answer.text


def test_every_bad_route_has_its_culprit() -> None:
    assert {route(visit) for visit in BAD} == set(CULPRITS)


def test_good_routes_do_not_stall(loop: str) -> None:
    """On a fresh demo: the first visit is the one that pays for whatever is made late."""
    with running_demo(loop) as demo:
        since = time.time()
        for visit in GOOD * 2:
            pay(demo, visit)
        assert demo.stalls(since) == []


@pytest.mark.parametrize("visit", BAD, ids=route)
def test_bad_route_stalls_where_it_should(demo: Demo, visit: Visit) -> None:
    """One visit, one stall, with the route's template, the function and the line of the call."""
    expected = CULPRITS[route(visit)]
    stall = exact_stall(demo, visit)
    assert stall["cause"] in (*expected.causes, *BUSY)
    assert stall["duration"] >= 0.1
    site = stall["site"]
    assert site["function"] == expected.name
    assert CHECKOUT / site["file"] == expected.path
    assert site["line"] in expected.lines


def exact_stall(demo: Demo, visit: Visit) -> dict[str, Any]:
    """Visit until the line is exact: on a crowded machine the watchdog may come too late, once."""
    for _ in range(3):
        since = time.time()
        pay(demo, visit)
        (stall,) = demo.stalls(since)
        assert (stall["method"], stall["route"]) == (visit.method, route(visit))
        if stall["site"]["exact"]:
            break
    return stall


def test_sleep_is_measured_exactly(demo: Demo) -> None:
    since = time.time()
    for _ in range(5):
        pay(demo, BAD[0])
    stalls = demo.stalls(since)
    assert [round(stall["duration"], 1) for stall in stalls] == [0.2] * 5
    codes = [stall["site"]["code"] for stall in stalls if stall["site"]["exact"]]
    assert set(codes) == {"time.sleep(PAUSE)"}
    assert len(codes) >= 4
