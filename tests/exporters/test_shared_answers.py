"""Answers of one thread: shared, paid for from a budget, refused when too many wait."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from loopwatch.exporters import shared_answers as module
from loopwatch.exporters.shared_answers import Budget, BusyError, Outcome, SharedAnswers
from tests.conftest import run_script

PATIENCE = 10.0  # s


class Asked:
    """Makes answers that count themselves, and wait to be let go."""

    def __init__(self, share: float = 1.0, longest: float = 0.0, waiting: int = 4) -> None:
        self.answers = SharedAnswers("asked", share, longest, waiting)
        self.begun, self.go = queue.SimpleQueue[str](), threading.Semaphore(0)
        self.told: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self.made: list[str] = []

    def join(self, question: str) -> Callable[[], None]:
        """Ask; each asker is one of its own."""
        return self.answers.join(question, lambda: self.make(question), lambda o: self.told.put(o))

    def make(self, question: str) -> str:
        self.begun.put(question)
        assert self.go.acquire(timeout=PATIENCE)
        self.made.append(question)
        return f"{question} {len(self.made)}"

    def values(self, count: int) -> list[Any]:
        return [self.told.get(timeout=PATIENCE).result() for _ in range(count)]


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_those_who_ask_before_it_begins_share_an_answer(asked: Asked) -> None:
    """Who asks later gets the next one: an answer is never older than its question."""
    asked.join("a")
    assert asked.begun.get(timeout=PATIENCE) == "a"
    for _ in range(3):
        asked.join("a")
    asked.go.release(2)
    assert asked.values(4) == ["a 1", "a 2", "a 2", "a 2"]


def test_nothing_is_made_for_one_who_has_left(asked: Asked) -> None:
    asked.join("a")
    asked.begun.get(timeout=PATIENCE)
    leave, other = asked.join("b"), asked.join("c")
    asked.join("c")
    leave()
    leave()
    other()
    asked.go.release(3)
    assert asked.values(2) == ["a 1", "c 2"]
    assert asked.told.empty()


def test_too_many_are_refused_until_there_is_room_again(asked: Asked) -> None:
    leaves = [asked.join(question) for question in "aabc"]
    with pytest.raises(BusyError) as caught:
        asked.join("a")
    assert caught.value.retry_after >= 1
    leaves[-1]()
    asked.join("d")
    asked.go.release(9)
    assert len(asked.values(4)) == 4
    asked.join("a")
    asked.values(1)


def test_what_making_raises_is_raised_to_all_who_wait(asked: Asked) -> None:
    for error, expected in ((ValueError("x"), ValueError), (SystemExit(), RuntimeError)):

        def fail(error: BaseException = error) -> None:
            raise error

        asked.answers.join("a", fail, asked.told.put)
        with pytest.raises(expected):
            asked.told.get(timeout=PATIENCE).result()
        assert asked.answers.kept("a") is None


def test_an_answer_is_told_again_until_it_is_paid_for() -> None:
    """Whatever was asked: there is one budget."""
    asked = Asked(share=0.1, longest=0.5)
    asked.go.release(9)
    asked.join("a")
    asked.values(1)
    assert asked.answers.kept("a") is None  # there is still something saved up
    asked.answers.join("hard", lambda: spin(module.SAVED + 0.05), asked.told.put)
    paid = time.monotonic() + 0.4
    asked.values(1)
    assert asked.answers.kept("a") == "a 1"
    assert asked.answers.kept("b") is None
    asked.join("b")  # new, so it waits
    assert asked.values(1) == ["b 2"]
    assert time.monotonic() > paid
    time.sleep(0.5)
    assert asked.answers.kept("a") is None


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_an_answer_that_is_too_old_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(share=0.01, longest=60.0)
    asked.go.release(9)
    asked.join("a")
    asked.values(1)
    asked.answers.join("hard", lambda: spin(module.SAVED + 0.05), asked.told.put)
    asked.values(1)
    assert asked.answers.kept("a") == "a 1"
    monkeypatch.setattr(module, "OLDEST", 0.0)
    assert asked.answers.kept("a") is None


def test_only_some_answers_are_kept() -> None:
    asked = Asked(share=0.01, longest=60.0)
    asked.go.release(99)
    for number in range(module.KEPT + 1):
        asked.join(str(number))
        asked.values(1)
    asked.answers.join("hard", lambda: spin(module.SAVED + 0.05), asked.told.put)
    asked.values(1)
    kept = [number for number in range(module.KEPT + 1) if asked.answers.kept(str(number))]
    assert kept == [*range(2, module.KEPT + 1)]


def test_the_thread_ends_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER", 0.05)
    asked = Asked()
    asked.go.release(9)
    for _ in range(2):
        asked.join("a")
        asked.values(1)
        deadline = time.monotonic() + PATIENCE
        while "asked" in (thread.name for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_thread_that_cannot_start_is_no_answer(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BusyError):
            asked.join("a")
    asked.go.release(1)
    asked.join("a")
    assert asked.values(1) == ["a 1"]


def test_a_budget_is_a_share_of_the_time_and_a_little_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": lambda: now[0]}))
    budget = Budget(share=0.1, longest=5.0)
    assert budget.due_in() == 0.0
    budget.spend(module.SAVED + 0.1)
    assert budget.due_in() == pytest.approx(1.0)
    now[0] += 0.75
    assert budget.due_in() == pytest.approx(0.25)
    now[0] += 1000.0
    budget.spend(1000.0)
    assert budget.due_in() == pytest.approx(5.0)


HUNG = """
    import threading
    from loopwatch.exporters.shared_answers import SharedAnswers

    answers, begun = SharedAnswers("hung", 1.0, 0.0), threading.Event()

    def hang():
        begun.set()
        threading.Event().wait()

    answers.join("a", hang, print)
    begun.wait(10)
    for _ in range(5):
        answers.join("b", hang, print)
    print(sum(thread.name == "hung" for thread in threading.enumerate()))
"""


def test_one_that_hangs_takes_one_thread_and_does_not_keep_the_process() -> None:
    assert run_script(HUNG) == "1\n"
