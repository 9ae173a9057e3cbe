"""Reading a live page: the first, the last, and every stall between."""

from collections.abc import Callable
from typing import Any

import pytest

from loopwatch.core.plain import plain
from loopwatch.core.record_types import Snapshot
from loopwatch.tools.diagnose import watching as module
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.watching import Watching
from tests.tools.diagnose.made import snapshot, stall

NEVER = 60.0  # s: the thread does not ask meanwhile


class GoneError(Exception):
    """The page does not answer."""


def page(*snapshots: Snapshot | None) -> Callable[[str], Any]:
    """Return what answers with one after another, and with None fails."""
    left = [*snapshots]

    def ask(name: str) -> Any:
        assert name == "snapshot.json"
        found = left.pop(0)
        if found is None:
            raise GoneError
        return plain(found)

    return ask


def test_stalls_before_the_start_are_left_out_and_of_each_the_latest_is_kept() -> None:
    old, early = stall(990.0), stall(1001.0, victims=0)
    late = stall(1001.0, victims=7)  # the same, when its victims are counted
    shots = (snapshot(), snapshot(1000.0, stalls=(old,)), snapshot(1002.0, stalls=(old, early)))
    watching = Watching(page(*shots, snapshot(1003.0, stalls=(late,))), GoneError, NEVER)
    watching.start()
    watching._try()
    watching.stop()
    assert watching.stalls == (late,)
    assert [reading.snapshot.taken_at for reading in watching.readings] == [1000, 1002, 1003]
    assert watching.latest.snapshot.stalls == ()
    assert watching.missed == 0


def test_an_answer_that_does_not_come_is_counted_and_the_first_must_come() -> None:
    watching = Watching(page(snapshot(), snapshot(), None, snapshot(5.0), None), GoneError, NEVER)
    watching.start()
    watching._try()
    watching._try()
    watching.stop()
    assert (watching.missed, watching.latest.snapshot.taken_at) == (2, 5.0)
    with pytest.raises(GoneError):
        Watching(page(None), GoneError, NEVER)


def test_what_is_no_snapshot_is_told_by_its_wrong_field() -> None:
    with pytest.raises(DiagnosisError, match=r"snapshot.json must be from loopwatch: taken_at: "):
        Watching(lambda name: plain(snapshot()) | {"taken_at": "soon"}, GoneError, NEVER)


def test_page_without_tails_has_none() -> None:
    def ask(name: str) -> Any:
        if name.startswith("tails.json?since="):
            raise GoneError
        return plain(snapshot())

    assert Watching(ask, GoneError, NEVER).tails() is None


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOMENTS", 4)
    monkeypatch.setattr(module, "STALLS", 2)
    shots = [snapshot(float(n), stalls=(stall(float(n)),)) for n in range(7)]
    watching = Watching(page(*shots), GoneError, NEVER)
    watching.start()
    for _ in range(4):
        watching._try()
    watching.stop()
    assert len(watching.readings) <= 4 + 1
    assert watching.readings[0].snapshot.taken_at == 1.0
    assert watching.latest.snapshot.taken_at == 6.0
    assert [one.started_at for one in watching.stalls] == [5.0, 6.0]
    assert watching._period == 2 * NEVER


def test_longest_stall_of_each_culprit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLS", 3)
    worst, other = stall(1.0, 9.0), stall(2.0, route="/other")
    rest = [stall(float(n)) for n in range(3, 8)]
    shots = [snapshot(float(n), stalls=(each,)) for n, each in enumerate((worst, other, *rest))]
    watching = Watching(page(snapshot(), snapshot(), *shots), GoneError, NEVER)
    watching.start()
    for _ in shots[1:]:
        watching._try()
    watching.stop()
    assert watching.stalls == (worst, other, rest[-1])
