"""What the helper outside could not see is counted, and stays so when it goes."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.watchdog import outside_samples as lookout_module
from loopwatch.watchdog.outside_samples import Lookout


class DeafOutside:
    """A helper that reads nothing."""

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()

    def ignore(self, *_: Any) -> None:
        pass

    watch_thread = forget_thread = start = stop = abandon = ignore


def clocks() -> Any:
    return SimpleNamespace(probe=SimpleNamespace(pulse=SimpleNamespace(native_id=1)))


def test_looks_that_came_to_nothing_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[DeafOutside] = []

    def make() -> DeafOutside:
        made.append(DeafOutside())
        return made[-1]

    monkeypatch.setattr(lookout_module, "Outside", make)
    lookout, one, other = Lookout(), clocks(), clocks()
    assert lookout.lost == 0
    lookout.add(one)
    lookout.add(other)
    made[0].lost["torn"] += 2
    made[0].lost["spared"] += 1
    assert lookout.lost == 3
    lookout.remove(one)
    lookout.remove(other)
    assert lookout.lost == 3
    lookout.add(one)
    made[1].lost["moved"] += 1
    assert (len(made), lookout.lost) == (2, 4)
    lookout.abandon()
    assert lookout.lost == 0
