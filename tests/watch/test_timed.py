"""`timed`: the latency of one coroutine, under a name."""

import asyncio
import inspect
from typing import Any

import pytest

from loopwatch import Histogram, timed
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on


async def double(number: int) -> int:
    await asyncio.sleep(0.01)
    return 2 * number


@timed
async def plain(number: int) -> int:
    """Docs stay."""
    return await double(number)


@timed("named")
async def labelled(number: int) -> int:
    return await double(number)


@in_calm
def test_every_form_counts_under_its_label(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> dict[str, Histogram]:
        watch.start()
        for _ in range(3):
            assert await timed(double(2), "called") == 4
        assert await timed(double(2)) == 4
        assert await plain(3) == 6
        assert await labelled(4) == 8
        return dict(watch.snapshot().timed)

    counted = run_on(loop, main())
    assert {label: histogram.count for label, histogram in counted.items()} == {
        "called": 3,
        f"{__name__}.double": 1,
        f"{__name__}.plain": 1,
        "named": 1,
    }
    assert counted["called"].sum == pytest.approx(0.03, abs=0.01)


def test_errors_and_cancellation_count_and_pass(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def fails() -> None:
        raise KeyError("x")

    async def main() -> dict[str, Histogram]:
        watch.start()
        with pytest.raises(KeyError):
            await timed(fails(), "fails")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(timed(asyncio.sleep(10), "cancelled"), 0.02)
        return dict(watch.snapshot().timed)

    counted = run_on(loop, main())
    assert counted["fails"].count == 1
    assert counted["cancelled"].count == 1
    assert counted["cancelled"].sum < 1


def test_any_awaitable_can_be_timed(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> dict[str, Histogram]:
        watch.start()
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.set_result("done")
        assert await timed(future, "future") == "done"
        assert await timed(asyncio.ensure_future(double(1)), "task") == 2
        return dict(watch.snapshot().timed)

    assert {"future", "task"} <= run_on(loop, main()).keys()


def test_without_a_watch_it_only_awaits(loop: str) -> None:
    assert run_on(loop, timed(double(5), "unwatched")) == 10
    assert run_on(loop, plain(5)) == 10


def test_a_decorated_function_is_still_itself() -> None:
    assert plain.__name__ == "plain"
    assert plain.__doc__ == "Docs stay."
    assert inspect.iscoroutinefunction(plain)
    assert list(inspect.signature(plain).parameters) == ["number"]


@pytest.mark.parametrize("wrong", [len, 5, None])
def test_what_is_no_coroutine_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="call it as timed"):
        timed(wrong)


def test_labels_are_bounded(make_watch: MakeWatch) -> None:
    """256 labels, then one for all others; what was lost is counted."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        for number in range(300):
            await timed(asyncio.sleep(0), f"label {number}")

    run_on("asyncio", main())
    snapshot = watch.snapshot()
    counted = dict(snapshot.timed)
    assert len(counted) == 257
    assert counted["_OTHER"].count == 44
    assert snapshot.dropped["labels"] == 44
