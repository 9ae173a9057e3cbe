"""Sums of real servers' workers: right from whichever of them, whatever becomes of the others."""

import os
import signal
import time

import pytest

from .shared_folder import COUNT
from .workers import GUNICORN, UVICORN, workers


@pytest.mark.slow
@pytest.mark.parametrize(
    "server",
    [[*UVICORN, "asyncio"], [*UVICORN, "uvloop"], GUNICORN],
    ids=["uvicorn, asyncio", "uvicorn, uvloop", "gunicorn"],
)
def test_the_sums_of_all_workers_are_exact(server: list[str]) -> None:
    """From any of them, also after one was killed in the middle of its work and replaced."""
    with workers(server) as served:
        first = served.wait_for_workers(4)
        assert served.block(24) == 24
        served.wait_for_total(24, route="/block")
        served.wait_for_total(24, "app_blocked_total")
        assert served.total("loopwatch_info") == 1
        assert served.told() == 24
        victim = min(first)
        answered = served.block(24, lambda: os.kill(victim, signal.SIGKILL))
        served.wait_for_workers(4, without=victim)
        time.sleep(1.2)
        counted = served.total(COUNT, route="/block")
        assert 24 + answered - 2 <= counted <= 48  # what it had not yet looked at is lost
        assert served.told() <= counted
        served.block(8)
        served.wait_for_total(counted + 8, route="/block")
        assert 4 <= served.total("loopwatch_tasks") < 24
        assert {int(path.stem.rpartition("_")[2]) for path in served.folder.glob("gauge_*")} == (
            served.wait_for_workers(4, without=victim)
        )
