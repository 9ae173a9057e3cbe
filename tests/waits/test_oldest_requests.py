"""What is in flight now, oldest first: in Python, and at `requests.json`."""

import asyncio
import json
import threading
from typing import Any

import pytest

from loopwatch import Watch, page
from loopwatch.web.answering import Answer, Answering, Question, text_answer
from tests.asgi import visit
from tests.conftest import MakeWatch, run_on

from .looking import Stage, settle


def test_the_oldest_come_first_with_their_parts_and_places(
    loop: str, make_watch: MakeWatch
) -> None:
    async def use() -> None:
        async with lock:
            await asyncio.gather(asyncio.sleep(30.0))

    lock: asyncio.Lock

    async def main() -> None:
        nonlocal lock
        lock = asyncio.Lock()
        stage = Stage(make_watch())
        stage.begin(use, "/first")
        await asyncio.sleep(0.02)
        stage.begin(use, "/second")
        await asyncio.sleep(0.02)
        found = stage.watch.requests_in_flight()
        (oldest,) = stage.watch.requests_in_flight(limit=1)
        await stage.end()
        assert [(r.route, r.method, r.resource) for r in found] == [
            ("/first", "GET", "timer"),
            ("/second", "GET", "lock"),
        ]
        assert oldest.route == "/first"
        for each in found:
            parts = each.queued + each.running + each.stalled + each.waiting
            assert each.age == pytest.approx(parts)
            assert each.age > 0.01
            assert each.place is not None
            assert each.place.function.endswith("use")
        assert found[1].call == "asyncio.locks.Lock.acquire"
        assert stage.watch.requests_in_flight() == ()

    run_on(loop, main())


def test_a_request_that_runs_waits_nowhere(make_watch: MakeWatch) -> None:
    async def main() -> None:
        stage = Stage(make_watch())

        async def ask() -> None:
            found.extend(stage.watch.requests_in_flight())

        await stage.begin(ask)
        (mine,) = (each for each in found if each.route == "/x")  # not what this context had before
        assert (mine.route, mine.place, mine.resource) == ("/x", None, "")

    found: list[Any] = []
    asyncio.run(main())


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_that_cannot_be_is_refused(limit: int, make_watch: MakeWatch) -> None:
    with pytest.raises(ValueError, match="limit must be from 1 to 1000, got"):
        make_watch().requests_in_flight(limit)
    with pytest.raises(TypeError, match="whole number"):
        make_watch().requests_in_flight("many")  # type: ignore[arg-type]


async def body(watch: Watch, path: str) -> Any:
    sent = await visit(page(watch), path)
    assert sent[0]["status"] == 200
    return json.loads(sent[1]["body"])


def test_the_page_tells_them(loop: str, make_watch: MakeWatch) -> None:
    async def nap() -> None:
        await asyncio.sleep(30.0)

    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(nap, "/slow/{id}")
        await settle()
        told = await body(stage.watch, "/requests.json")
        waits = (await body(stage.watch, "/snapshot.json"))["waits"]
        await stage.end()
        (mine,) = [r for r in told["requests"] if r["route"] == "/slow/{id}"]
        assert mine["resource"] == "timer"
        assert mine["place"]["function"].startswith(__name__)
        assert waits == []

    run_on(loop, main())


class SlowPage(Answering):
    """One of our own apps, whose answer takes until `over`."""

    def __init__(self) -> None:
        super().__init__("loopwatch-test", 1.0, 0.0)
        self.over = threading.Event()

    def find(self, scope: Any) -> Question:
        return Question("slow", self._made)

    def _made(self) -> Answer:
        self.over.wait(10)
        return text_answer(200, "")


def test_requests_for_our_own_page_wait_for_nothing_of_the_app_s(
    loop: str, make_watch: MakeWatch
) -> None:
    async def main() -> None:
        ours, stage = SlowPage(), Stage(make_watch())
        page = stage.begin(lambda: visit(ours), "/loopwatch")
        stage.begin(lambda: asyncio.sleep(30.0), "/slow")
        await settle()
        in_flight, waits = stage.watch.requests_in_flight(), stage.look()
        ours.over.set()
        await page
        await stage.end()
        assert [each.route for each in in_flight] == ["/slow"]
        assert [each.route for each in waits] == ["/slow"]

    run_on(loop, main())
