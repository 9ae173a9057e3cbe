"""An exporter has the methods that it wants; a watch calls each when it should."""

import asyncio
import functools
import time
from collections import Counter
from typing import Any

import pytest

from loopwatch import Stall, Watch
from loopwatch.exporters.exporter import Exporters

from ..conftest import MakeWatch, run_on, run_script


class Whole:
    """Has every method, and notes what is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def start(self, source: Any) -> None:
        self.calls.append(("start", source))

    def stop(self, source: Any) -> None:
        self.calls.append(("stop", source))

    def after_fork(self, source: Any) -> None:
        self.calls.append(("after_fork", source))

    def stalled(self, stall: Stall) -> None:
        self.calls.append(("stalled", stall.site.code))

    def write(self, changed: Any) -> None:
        self.calls.append(("write", [*changed()]))

    def due_in(self) -> float:
        return 3.0

    def flush(self) -> None:
        self.calls.append(("flush", None))

    def dropped(self) -> dict[str, int]:
        return {"whole": 2}


class Source:
    def snapshot(self, *, recent: bool = True) -> Any:
        raise NotImplementedError


class Raising:
    def start(self, source: Any) -> None:
        raise ValueError("start")

    def stop(self, source: Any) -> None:
        raise ValueError("stop")

    def after_fork(self, source: Any) -> None:
        raise ValueError("after_fork")


def test_each_method_is_optional() -> None:
    exporters = Exporters(Source(), [object()])
    exporters.start()
    exporters.write(list)
    exporters.flush()
    exporters.after_fork()
    exporters.stop()
    assert exporters.due_in() is None
    assert exporters.dropped() == Counter()


def test_what_starts_once_stops_once_and_starts_again() -> None:
    source, whole = Source(), Whole()
    exporters = Exporters(source, [whole])
    for _ in range(2):
        exporters.start()
    for _ in range(2):
        exporters.stop()
    exporters.start()
    assert whole.calls == [("start", source), ("stop", source), ("start", source)]
    assert (exporters.due_in(), exporters.dropped()) == (3.0, {"whole": 2})


def test_a_forked_child_starts_anew() -> None:
    source, whole = Source(), Whole()
    exporters = Exporters(source, [whole])
    exporters.start()
    exporters.after_fork()
    exporters.start()
    assert whole.calls == [("start", source), ("after_fork", source), ("start", source)]


def test_what_start_raises_reaches_the_caller_and_nothing_else_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = Whole()
    exporters = Exporters(Source(), [Raising(), whole])
    with pytest.raises(ValueError, match="start"):
        exporters.start()
    exporters.after_fork()
    exporters.stop()
    assert [name for name, _ in whole.calls] == ["after_fork"]
    assert "error inside loopwatch" in caplog.text


def test_a_method_without_a_name_may_raise_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """A `functools.partial` has no `__qualname__`; from 3.14 on it becomes a method."""

    class Partial:
        stop = functools.partial(int, "no number")

    exporters = Exporters(Source(), [Partial()])
    exporters.start()
    exporters.stop()
    assert "error inside loopwatch, in builtins.int" in caplog.text


def test_a_user_s_own_is_started_and_stopped_with_the_watch(
    loop: str, make_watch: MakeWatch
) -> None:
    watch, whole, late = make_watch(), Whole(), Whole()
    watch.add_instrument(whole)

    async def main() -> None:
        watch.start()
        watch.add_instrument(late)
        await asyncio.sleep(0.01)
        time.sleep(0.3)

    run_on(loop, main())
    watch.stop()
    for exporter in (whole, late):
        names = [name for name, _ in exporter.calls]
        assert names[0] == "start"
        assert names[-1] == "stop"
        assert ("stalled", "time.sleep(0.3)") in exporter.calls
        assert names.count("start") == names.count("stop") == names.count("stalled") == 1
    watch.remove_instrument(whole)


def test_one_that_is_removed_is_stopped(make_watch: MakeWatch) -> None:
    watch, whole = make_watch(), Whole()
    with watch:
        watch.add_instrument(whole)
        watch.remove_instrument(whole)
        watch.remove_instrument(whole)
    assert [name for name, _ in whole.calls] == ["start", "stop"]


def test_what_has_no_stalled_is_refused() -> None:
    watch = Watch(registry=None)
    with pytest.raises(TypeError, match="must have a method stalled"):
        watch.add_instrument(object())  # type: ignore[arg-type]


def test_a_fork_is_said_to_a_user_s_own() -> None:
    printed = run_script("""
        import os
        from loopwatch import Watch

        class Mine:
            def stalled(self, stall): pass
            def after_fork(self, source): print("after_fork", source is watch, flush=True)

        watch = Watch(registry=None, log=False)
        with watch:
            watch.add_instrument(Mine())
            if not os.fork():
                os._exit(0)
            os.wait()
    """)
    assert printed == "after_fork True\n"
