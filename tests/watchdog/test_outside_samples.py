"""What the helper outside could not see is counted, and stays so when it goes."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.watchdog import outside_sampler
from loopwatch.watchdog.outside_samples import OutsideSamples


class DeafOutside:
    """A helper that reads nothing."""

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()

    def ignore(self, *_: Any) -> None:
        pass

    watch_thread = forget_thread = start = stop = abandon = ignore


def clocks() -> Any:
    return SimpleNamespace(probe=SimpleNamespace(state=SimpleNamespace(native_id=1)))


def test_looks_that_came_to_nothing_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[DeafOutside] = []

    def make() -> DeafOutside:
        made.append(DeafOutside())
        return made[-1]

    monkeypatch.setattr(outside_sampler, "Outside", make)
    outside_samples, one, other = OutsideSamples(), clocks(), clocks()
    assert outside_samples.lost == 0
    outside_samples.add(one)
    outside_samples.add(other)
    made[0].lost["torn"] += 2
    made[0].lost["spared"] += 1
    assert outside_samples.lost == 3
    outside_samples.remove(one)
    outside_samples.remove(other)
    assert outside_samples.lost == 3
    outside_samples.add(one)
    made[1].lost["moved"] += 1
    assert (len(made), outside_samples.lost) == (2, 4)
    outside_samples.abandon()
    assert outside_samples.lost == 0
