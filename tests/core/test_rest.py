"""The thread that looks at waits does not wait for the GIL while a loop is held."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from loopwatch.core.gil_turns import FOR_WAITS
from loopwatch.core.rest import rest
from loopwatch.core.speedups import speedups
from tests.conftest import MakeWatch, block_for, run_on

compiled = pytest.mark.skipif(speedups is None, reason="in Python it waits for the GIL")


@pytest.fixture
def bell() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair()
    yield pair
    for each in pair:
        each.close()


Bell = tuple[socket.socket, socket.socket]


def test_it_sleeps_until_it_is_rung(bell: Bell) -> None:
    began = time.perf_counter()
    rung, waited = rest(FOR_WAITS, bell[0].fileno(), 0.05, ())
    assert not rung
    assert 0.0 <= waited <= time.perf_counter() - began
    assert time.perf_counter() - began >= 0.049
    bell[1].send(b"x")
    rung, _ = rest(FOR_WAITS, bell[0].fileno(), 60.0, ())
    assert rung


@compiled
def test_it_rests_on_while_a_loop_is_held(loop: str, bell: Bell, make_watch: MakeWatch) -> None:
    """It would else be let in as C code that keeps the GIL ends, in place of the watchdog."""
    woken: list[float] = []

    async def main() -> float:
        watch = make_watch()
        watch.start()
        (watched,) = watch._loops.values()

        def sleep() -> None:
            rest(FOR_WAITS, bell[0].fileno(), 0.1, (watched.state,))
            woken.append(time.perf_counter())

        thread = threading.Thread(target=sleep)
        thread.start()
        block_for(0.6)
        return time.perf_counter()

    ended = run_on(loop, main())
    bell[1].send(b"x")
    while not woken:
        time.sleep(0.01)
    assert woken[0] > ended - 0.1


@compiled
def test_what_is_no_loop_state_is_refused(bell: Bell) -> None:
    with pytest.raises(TypeError, match="loop states"):
        rest(FOR_WAITS, bell[0].fileno(), 0.0, (object(),))
