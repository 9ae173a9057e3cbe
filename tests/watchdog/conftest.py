"""What tests of the watchdog share: the helper process, ready to be asked, and a short watch."""

import time
from collections.abc import Iterator

import pytest

from loopwatch.watchdog import sampler as sampler
from loopwatch.watchdog.outside_sampler import Outside
from tests.watchdog.watchers import LIVELY

NOT_PERMITTED = "not permitted here: "


def ready(outside: Outside) -> Outside:
    """Wait until the helper has found out whether it may read, and skip if it may not."""
    deadline = time.monotonic() + 10
    while not outside.ready:
        outside.take()
        if problem := outside.take_problem():
            pytest.skip(NOT_PERMITTED + problem)
        assert time.monotonic() < deadline, "the helper says nothing"
        time.sleep(0.01)
    return outside


@pytest.fixture
def outside() -> Iterator[Outside]:
    try:
        made = Outside()
    except RuntimeError as missing:
        pytest.skip(str(missing))
    made.start()
    try:
        yield ready(made)
    finally:
        made.stop()


@pytest.fixture
def soon_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "LIVELY", LIVELY)
