"""The options of the flight recorder."""

import asyncio

import pytest

from loopwatch.core.speedups import speedups
from tests.conftest import MakeWatch, private_watch, run_on


def test_nothing_is_recorded_if_that_is_not_wanted(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(flight_recorder=False)
    with watch:
        run_on(loop, asyncio.sleep(0))
        assert watch.recordings() == ()
        assert b'"loops":[]' in watch.trace()


def test_by_default_it_is_on_where_the_compiled_part_is() -> None:
    assert private_watch().records == (speedups is not None)


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
def test_seconds_must_be_above_zero(make_watch: MakeWatch, wrong: float) -> None:
    with pytest.raises(ValueError, match="seconds must be a finite number above 0"):
        make_watch().trace(wrong)
