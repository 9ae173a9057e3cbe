"""Instruments that raise, hang or end the watch: what each costs, and whom."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from loopwatch import Stall
from loopwatch.core.record_types import Instrument
from loopwatch.loop.loop_state import clock
from loopwatch.watch.delivery import HANGS, UNDELIVERED, Delivery
from tests.conftest import MakeWatch, run_on
from tests.watch.recorder import Recorder

STALL = Stall(started_at=1.0, duration=0.2)
SOON = 5.0  # s, within which a thread gets its turn on any machine


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error, self.calls = error, 0

    def stalled(self, stall: Stall) -> None:
        self.calls += 1
        raise self.error


class Hanging:
    """Does not return until it is let go."""

    def __init__(self) -> None:
        self.called, self.let_go = threading.Event(), threading.Event()
        self.calls = 0

    def stalled(self, stall: Stall) -> None:
        self.calls += 1
        self.called.set()
        self.let_go.wait(30)


class HangingHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.let_go.wait(30)


def eventually(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.005)


def deliverers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "loopwatch-delivery"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    eventually(lambda: not deliverers())


@pytest.fixture
def hanging(no_thread_is_left: None) -> Iterator[Hanging]:
    instrument = Hanging()
    yield instrument
    instrument.let_go.set()


def delivery(*instruments: Instrument) -> Delivery:
    made = Delivery(instruments, lambda: None)
    made.begin()
    return made


def send(made: Delivery, times: int = 1) -> None:
    for _ in range(times):
        made.put(STALL, None)
    made.ring()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()])
def test_what_raises_is_named_once_and_removed(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    raising, recorder = Raising(error), Recorder()
    made = delivery(raising, recorder)
    send(made, 3)
    made.finish()
    assert (raising.calls, len(recorder.told), made.removed) == (1, 3, 1)
    assert made.instruments == (recorder,)
    [record] = caplog.records
    assert "Raising" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_what_hangs_costs_only_what_it_is_given(
    hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    made = delivery(hanging, recorder)
    send(made, 3)
    assert hanging.called.wait(SOON)
    assert made.supervise(clock()) is not None
    assert recorder.told == []  # its turn has not been long
    made.supervise(clock() + 3)
    eventually(lambda: len(recorder.told) == 3)
    assert (hanging.calls, made.lost, made.removed) == (1, 2, 0)
    eventually(lambda: "does not return" in caplog.text)
    assert caplog.text.count("does not return") == 1
    made.finish()


def test_what_comes_back_gets_stalls_again_but_not_for_ever(hanging: Hanging) -> None:
    recorder = Recorder()
    made = delivery(hanging, recorder)
    for times in range(1, HANGS + 1):
        assert made.instruments == (hanging, recorder)
        hanging.let_go.clear()
        send(made)
        assert hanging.called.wait(SOON)
        hanging.called.clear()
        made.supervise(clock() + 3)
        eventually(lambda: not made)
        assert len(recorder.told) == times
        hanging.let_go.set()
        eventually(lambda: not made._hanging)
    eventually(lambda: made.instruments == (recorder,))
    assert made.removed == 1
    made.finish()


def test_two_that_hang_keep_nothing_from_the_others_at_the_end(hanging: Hanging) -> None:
    recorder = Recorder()
    made = delivery(hanging, recorder)
    send(made, 4)
    began = time.monotonic()
    made.finish(within=0.4)
    assert time.monotonic() - began < 2
    assert (len(recorder.told), hanging.calls, made.lost) == (4, 1, 3)


def test_the_end_does_not_wait_for_ever() -> None:
    both = Hanging(), Hanging()
    made = delivery(*both)
    send(made, 2)
    began = time.monotonic()
    made.finish(within=0.4)
    assert time.monotonic() - began < 2
    assert not made
    for instrument in both:
        instrument.let_go.set()


def test_a_log_handler_that_hangs_is_replaced_as_well(hanging: Hanging) -> None:
    handler, recorder = HangingHandler(), Recorder()
    logger = logging.getLogger("loopwatch")
    logger.addHandler(handler)
    try:
        made = delivery(hanging, recorder)
        send(made, 3)
        assert hanging.called.wait(SOON)
        made.supervise(clock() + 3)  # its successor hangs in the message about it
        eventually(lambda: made._shift is not None and made._shift.calling is not None)
        made.supervise(clock() + 3)
        eventually(lambda: len(recorder.told) == 3)
        made.finish()
    finally:
        handler.let_go.set()
        logger.removeHandler(handler)


def test_what_is_not_delivered_is_counted() -> None:
    made = Delivery([Recorder()], lambda: None)
    for _ in range(UNDELIVERED + 3):
        made.put(STALL, None)
    assert made.lost == 3


def test_preparing_may_fail_and_all_is_delivered() -> None:
    recorder = Recorder()

    def prepare() -> None:
        raise ValueError

    made = Delivery([recorder], prepare)
    made.begin()
    send(made)
    made.finish()
    assert len(recorder.told) == 1


def test_a_thread_that_cannot_start_leaves_the_app_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    made = delivery(Recorder())
    send(made)
    made.finish(within=0.1)
    assert not made.is_here()


def test_an_instrument_may_stop_the_watch_and_read_it(loop: str, make_watch: MakeWatch) -> None:
    """From within `stalled`, on the thread that delivers."""
    watch, seen = make_watch(), []

    class Stopping:
        def stalled(self, stall: Stall) -> None:
            seen.append((watch.snapshot().stall_count, watch.stalls))
            watch.remove_instrument(self)
            watch.stop()

    async def main() -> None:
        watch.start()
        watch.add_instrument(Stopping())
        time.sleep(0.15)

    run_on(loop, main())
    eventually(lambda: len(seen) == 1)
    assert seen[0][0] == 1


def test_what_is_left_is_delivered_after_an_instrument_has_ended_the_delivery(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder()

    class Ending:
        def stalled(self, stall: Stall) -> None:
            for _ in range(2):
                made.finish()

    made = delivery(Ending(), recorder)
    send(made, 3)
    eventually(lambda: len(recorder.told) == 3)
    eventually(lambda: not made)
    assert (made.lost, caplog.records) == (0, [])


@pytest.mark.parametrize("how", ["raises", "hangs"])
def test_every_stall_has_its_line_whatever_the_instruments_do(
    loop: str, how: str, make_watch: MakeWatch, hanging: Hanging
) -> None:
    """The watchdog waits for none of them."""
    watch = make_watch(slow_callback_duration=0.05)
    watch.add_instrument(hanging if how == "hangs" else Raising(ValueError("x")))

    async def main() -> None:
        watch.start()
        for _ in range(5):
            await asyncio.sleep(0.01)
            time.sleep(0.2)

    began = time.monotonic()
    run_on(loop, main())
    watch.stop()
    assert time.monotonic() - began < 1.2 + 3
    assert [stall.site.code for stall in watch.stalls] == ["time.sleep(0.2)"] * 5
