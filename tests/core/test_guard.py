"""Errors of ours: told once an hour each, and none hides another."""

import logging
from collections.abc import Callable

import pytest

from loopwatch.core import guard
from loopwatch.core.guard import AGAIN, MESSAGES, guarded, log_once, say


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_told", {})


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [1000.0]
    monkeypatch.setattr("loopwatch.core.guard.time.monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def fail(error: Exception) -> None:
    try:
        raise error
    except Exception:
        log_once("here")


def test_what_happens_again_and_again_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        fail(ValueError("x"))
    assert [r.message for r in caplog.records] == [
        "error inside loopwatch, in here; the app is not affected"
    ]


def test_another_error_in_the_same_function_is_not_swallowed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail(ValueError("anyone can bring this about"))
    fail(KeyError("another type"))
    try:
        raise ValueError("another line")
    except ValueError:
        log_once("here")
    told = [str(r.exc_info[1]) for r in caplog.records if r.exc_info is not None]
    assert told == ["anyone can bring this about", "'another type'", "another line"]


def test_an_error_that_stays_comes_again_each_hour(
    caplog: pytest.LogCaptureFixture, pass_time: Callable[[float], None]
) -> None:
    @guarded
    def broken() -> None:
        raise RuntimeError("x")

    for _ in range(8):
        broken()
        pass_time(AGAIN / 4)
    assert len(caplog.records) == 2


def test_memory_is_bounded() -> None:
    for number in range(2 * MESSAGES):
        assert guard.is_due(number)
    assert len(guard._told) == MESSAGES
    assert guard.is_due(0)
    assert not guard.is_due(2 * MESSAGES - 1)


def test_the_log_shows_text_safe(caplog: pytest.LogCaptureFixture) -> None:
    say(logging.ERROR, "%s and %d", "a\r\nERROR forged\x1b[2J\udce9", 5)
    assert caplog.records[0].message == r"a\x0d\x0aERROR forged\x1b[2J\udce9 and 5"
