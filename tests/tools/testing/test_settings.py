"""What may be said of a run and of a test, and what comes of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.tools.testing.settings import Settings, TestSettings, limit, of_test


def mark(*args: Any, **kwargs: Any) -> Any:
    return SimpleNamespace(args=args, kwargs=kwargs)


def settled(*marks: Any, run: Settings | None = None, **more: bool) -> TestSettings | None:
    given = {"is_async": True, "asks": False} | more
    return of_test(run or Settings(seconds=0.2, allow=("all.*",)), marks, **given)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0.25", 0.25), ("on", 0.1), ("YES", 0.1), (" off ", None), ("no", None)]
)
def test_limits(text: str, seconds: float | None) -> None:
    assert limit("--loopwatch", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "tests/", "1s"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="--loopwatch must be a number of seconds above 0, got"):
        limit("--loopwatch", text)


def test_asynchronous_tests_are_watched_as_the_run_says() -> None:
    assert settled() == TestSettings(limit=0.2, allow=("all.*",), judged=True)
    assert settled(is_async=False) is None
    assert settled(run=Settings()) is None


def test_a_mark_asks_by_itself_and_the_closest_says_how() -> None:
    found = settled(mark(allow=["one"]), mark(0.5, allow=("two",)), run=Settings(), is_async=False)
    assert found == TestSettings(limit=0.5, allow=("one", "two"), judged=True)
    assert settled(mark(slow_callback_duration=1), mark(False)) is not None
    assert settled(mark(), run=Settings()) == TestSettings(limit=0.1, allow=(), judged=True)


def test_false_is_the_end_of_it_but_for_the_fixture() -> None:
    assert settled(mark(False), mark(0.5)) is None
    found = settled(mark(False), asks=True)
    assert found is not None
    assert not found.judged


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (mark("0.5"), "must be a number of seconds, got '0.5'"),
        (mark(0.5, 0.6), "one positional argument at most"),
        (mark(0.5, slow_callback_duration=0.5), "one positional argument at most"),
        (mark(slow_callback_duration=0), "must be a finite number above 0"),
        (mark(limit=1), "got limit=1"),
        (mark(allow="shop.*"), "must be a tuple"),
        (mark(allow=["shop/x.py:3"]), "patterns of module.qualname"),
    ],
)
def test_what_a_mark_cannot_say(wrong: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        settled(wrong)
