"""A process whose threads are greenlets is not watched, and told so once."""

import _thread
import asyncio
import logging
import threading
from typing import Any

import pytest

from loopwatch.core import guard
from loopwatch.watch.watched_loop import LOOPS
from loopwatch.watchdog.green_threads import refuse_green_threads
from tests.conftest import MakeWatch, run_on


def test_threads_of_the_system_are_not_refused() -> None:
    refuse_green_threads()


@pytest.mark.parametrize(
    ("module", "name"), [(_thread, "start_new_thread"), (threading, "get_ident")]
)
def test_patched_threads_are_refused_in_one_sentence(
    module: Any,
    name: str,
    loop: str,
    make_watch: MakeWatch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The app runs as before, and nothing of the watch begins, whoever starts it."""
    monkeypatch.setattr(guard, "_told", {})
    original = getattr(module, name)

    def patched(*args: Any, **named: Any) -> Any:
        return original(*args, **named)

    patched.__module__ = "gevent.thread"
    watch = make_watch()

    async def main() -> int:
        watch.start()
        watch.start()
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() not in LOOPS
        return 7

    with caplog.at_level(logging.WARNING, "loopwatch"):
        monkeypatch.setattr(module, name, patched)
        try:
            assert run_on(loop, main()) == 7
        finally:
            monkeypatch.setattr(module, name, original)
    told = [record.getMessage() for record in caplog.records if record.name == "loopwatch"]
    assert len(told) == 1
    assert "gevent has replaced the standard library's threads by greenlets" in told[0]
    assert watch.stalls == ()
