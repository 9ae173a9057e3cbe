"""What instruments are told, on which thread, and what becomes of those that raise."""

import logging
import threading
from typing import Any

import pytest

from loopwatch import Stall, Watch
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on, until
from tests.watch.recorder import Recorder, block


class Broken(Recorder):
    """An instrument that raises."""

    def stalled(self, stall: Stall) -> None:
        super().stalled(stall)
        raise OSError("the disk is full")


def stall_three_times(loop: str, watch: Watch, recorder: Recorder) -> None:
    """Run a loop that stalls under a watch, until the recorder was told of it."""

    async def main() -> None:
        watch.start()
        await block(3)
        await until(lambda: len(recorder.told) >= 3)

    run_on(loop, main())


@in_calm
def test_instruments_are_told_on_loopwatch_s_own_thread(loop: str, make_watch: MakeWatch) -> None:
    """Every stall, in order, never on the loop's thread while it runs."""
    watch, recorder = make_watch(), Recorder()
    watch.add_instrument(recorder)
    watch.add_instrument(recorder)

    stall_three_times(loop, watch, recorder)
    assert tuple(recorder.told) == watch.stalls
    assert threading.current_thread().name not in recorder.threads
    watch.remove_instrument(recorder)
    watch.remove_instrument(recorder)


@in_calm
def test_an_instrument_that_raises_is_logged_once_and_removed(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, broken, recorder = make_watch(), Broken(), Recorder()
    caplog.clear()
    watch.add_instrument(broken)
    watch.add_instrument(recorder)

    stall_three_times(loop, watch, recorder)
    assert len(broken.told) == 1
    assert len(recorder.told) == 3
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "Broken" in errors[0].getMessage()
    assert watch.snapshot().dropped["instruments"] == 1


def test_an_instrument_without_stalled_is_refused(make_watch: MakeWatch) -> None:
    nonsense: Any = object()
    with pytest.raises(TypeError, match=r"stalled\(stall\)"):
        make_watch().add_instrument(nonsense)
