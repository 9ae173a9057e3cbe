"""Where the loop's busy time goes: sums, shares and places, with made samples and a made clock."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.core.record_types import OTHER
from loopwatch.watch.loop_time import OUTSIDE, STEP_ENDED, LoopTime

IN_STEP = 1
SECONDS = 1e-9  # sums of floats


class MadeLoop:
    """Stands for a watched loop; `busy` is what its clock tells."""

    def __init__(self) -> None:
        self.loop = object()
        self.busy: float | None = 0.0
        self.samples: list[Any] = []
        self.state = SimpleNamespace(
            take_samples=self._take, lost_samples=0, sampling=0.0, sampled=True
        )
        self.probe = SimpleNamespace(moments=[], rests=lambda: False, floor=())

    def _take(self) -> list[Any]:
        taken, self.samples = self.samples, []
        return taken

    def times(self, now: float) -> tuple[float | None, float | None]:
        return self.busy, None

    def see(self, function: Any, count: int = 1, where: int = IN_STEP) -> None:
        """Have samples of a function's first line."""
        code = function.__code__
        spots = [(code, 2 * len(code.co_code), code.co_firstlineno, __name__)]
        self.samples.append((count, 0.0, None, where, spots))


def busy_in_python() -> None: ...


def busy_in_json() -> None: ...


def seconds_by_function(told: LoopTime) -> dict[str, float]:
    return {r.site.function.rpartition(".")[2]: r.seconds for r in told.readings()}


def counted(loop: Any, told: LoopTime) -> LoopTime:
    told.collect([loop])
    return told


def test_a_sample_stands_for_the_busy_time_since_the_last_reading() -> None:
    loop, told = MadeLoop(), LoopTime()
    loop.see(busy_in_python)
    loop.see(busy_in_python)
    loop.see(busy_in_json, count=2)  # a call that kept the GIL: two moments, one sample
    loop.busy = 2.0
    counted(loop, told)
    loop.see(busy_in_json)
    loop.busy = 2.5
    found = seconds_by_function(counted(loop, told))
    assert found == {"busy_in_python": pytest.approx(1.0), "busy_in_json": pytest.approx(1.5)}
    assert [reading.samples for reading in told.readings()] == [3, 2]  # most seconds first
    assert told.dropped() == {"loop_time": 0}


def test_busy_time_without_a_sample_is_the_next_one_s() -> None:
    loop, told = MadeLoop(), LoopTime()
    for loop.busy in (0.1, 0.2):
        counted(loop, told)
    loop.see(busy_in_python)
    loop.busy = 0.3
    assert seconds_by_function(counted(loop, told)) == {"busy_in_python": pytest.approx(0.3)}


def test_an_idle_loop_has_no_rows() -> None:
    assert counted(MadeLoop(), LoopTime()).readings() == ()


def test_lost_samples_keep_their_share() -> None:
    loop, told = MadeLoop(), LoopTime()
    loop.see(busy_in_python)
    loop.busy, loop.state.lost_samples = 1.0, 3
    found = seconds_by_function(counted(loop, told))
    assert found == {"busy_in_python": pytest.approx(0.25), OTHER: pytest.approx(0.75)}
    assert told.dropped()["loop_time"] == 3


def test_nothing_is_counted_while_the_budget_has_little_left() -> None:
    plenty = False
    budget = SimpleNamespace(has_plenty=lambda: plenty)
    loop, told = MadeLoop(), LoopTime()
    told.budget = budget  # type: ignore[assignment]
    for plenty, loop.busy in ((False, 1.0), (False, 2.0), (True, 3.0)):
        counted(loop, told)
        assert loop.state.sampled is plenty
    loop.see(busy_in_python)
    loop.busy = 3.5
    assert seconds_by_function(counted(loop, told)) == {"busy_in_python": pytest.approx(0.5)}


def test_the_budget_yields_this_first() -> None:
    spent, now = 0.0, 0.0
    budget = CpuBudget(0.05, lambda: spent, lambda: now)
    assert budget.has_plenty()
    spent = 0.06  # of 0.1 that was saved up
    assert not budget.has_plenty()
    assert budget.allows("sample")


def test_what_the_loop_does_between_steps_is_its_own() -> None:
    loop, told = MadeLoop(), LoopTime()
    loop.samples = [(1, 0.0, None, OUTSIDE, []), (1, 0.0, None, IN_STEP, [])]
    loop.busy = 1.0
    (reading,) = counted(loop, told).readings()
    assert (reading.site.function, reading.site.exact) == ("builtins.object", False)


def test_the_line_of_a_step_that_has_ended_is_not_certain() -> None:
    loop, told = MadeLoop(), LoopTime()
    loop.see(busy_in_python, where=STEP_ENDED)
    loop.busy = 1.0
    (reading,) = counted(loop, told).readings()
    assert not reading.site.exact


def test_a_sample_that_cannot_be_read_keeps_its_share(caplog: pytest.LogCaptureFixture) -> None:
    loop, told = MadeLoop(), LoopTime()
    loop.samples = [(1, 0.0, None, IN_STEP, [("no code", 0, 1, "m")])]
    loop.see(busy_in_python)
    loop.busy = 1.0
    found = seconds_by_function(counted(loop, told))
    assert found == {"busy_in_python": pytest.approx(0.5), OTHER: pytest.approx(0.5)}


def test_a_loop_without_idle_time_counts_by_the_rate() -> None:
    loop, told = MadeLoop(), LoopTime()
    loop.busy = None
    loop.see(busy_in_python, count=4)
    assert seconds_by_function(counted(loop, told)) == {"busy_in_python": pytest.approx(0.2)}


def test_rows_are_json_ready() -> None:
    loop, told = MadeLoop(), LoopTime()
    loop.see(busy_in_python)
    loop.busy = 1.0
    table = counted(loop, told).table
    assert json.loads(json.dumps(table.speedscope()))["profiles"][0]["endValue"] == 1.0
    assert table.folded().splitlines()[0].startswith("_NONE;")
    assert sys.getrefcount(busy_in_python.__code__) < 10
