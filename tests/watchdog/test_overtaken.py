"""A thread of ours that gets the GIL before the watchdog does not have it name the wrong line."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loopwatch.core.breath import give_way
from loopwatch.core.own_thread import OwnThread
from loopwatch.waits.rest import rest
from tests.conftest import MakeWatch, block_for, run_on
from tests.watchdog.test_watchdog import backtracking, handle_in

HOLDS = 10


@contextmanager
def a_thread_that_always_asks() -> Iterator[None]:
    """As C code that keeps the GIL begins, it has just asked for it."""
    bell, ringer = socket.socketpair()
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            give_way(rest(bell.fileno(), 0.0005, ())[1])

    thread = OwnThread(ask, "loopwatch-asks")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        bell.close()
        ringer.close()


@pytest.mark.slow
def test_the_line_is_right_or_in_doubt(loop: str, make_watch: MakeWatch) -> None:
    text = "a" * backtracking() + "b"
    sites = []

    def keep_gil() -> None:
        re.match(r"(a+)+$", text)
        block_for(0.03)

    for _ in range(HOLDS):
        watch = make_watch()
        with a_thread_that_always_asks():
            run_on(loop, handle_in(keep_gil, watch))
        (stall,) = watch.stalls
        sites.append(stall.site)
    assert {site.code for site in sites if site.exact} <= {'re.match(r"(a+)+$", text)'}
    assert {site.code for site in sites if not site.exact} <= {""}
