"""The port beside the app answers while the app's loop is full, and says what fills it."""

import selectors
import socket
import time

import pytest

from loopwatch.tools.cli.admin_loop import RestingSelector, admin_loop
from tests.tools.cli.running import running

FIRST_LOOK = 1.0  # s of busy time, at most, before the watchdog asks for samples
SOON = 2.0  # s; without turns at the GIL it was 8 s and more


@pytest.mark.slow
def test_it_answers_beside_a_loop_that_never_waits(loop: str) -> None:
    with running("full:app", "--loop", loop) as run:
        run.get(f"{run.app}/")
        time.sleep(2.0)
        for path in ("/metrics", "/", "/snapshot.json", "/requests.json"):
            began = time.monotonic()
            run.get(run.admin + path)
            assert time.monotonic() - began < SOON, path
        told = run.get(f"{run.admin}/snapshot.json").json()
        busy, lines = told["busy"], told["loop_time"]
        assert lines[0]["site"]["function"] == "full.work"
        assert busy - FIRST_LOOK < lines[0]["seconds"] <= busy


def test_what_it_watches_is_heard_at_once() -> None:
    here, there = socket.socketpair()
    with here, there, RestingSelector() as selector:
        selector.register(here, selectors.EVENT_READ)
        assert selector.select(0.01) == []
        there.send(b"x")
        began = time.monotonic()
        ((key, _),) = selector.select(None)
        assert key.fileobj is here
        assert time.monotonic() - began < 1.0


def test_its_timers_are_on_time() -> None:
    loop = admin_loop()
    try:
        began = time.monotonic()
        loop.call_later(0.05, loop.stop)
        loop.run_forever()
        assert 0.049 <= time.monotonic() - began < 1.0
    finally:
        loop.close()
