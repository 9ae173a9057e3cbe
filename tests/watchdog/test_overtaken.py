"""A thread of ours that gets the GIL before the watchdog does not have it name the wrong line."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from loopwatch.core.breath import give_way
from loopwatch.core.gil_turns import FOR_WAITS
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.rest import rest
from tests.conftest import MakeWatch, block_for, run_on
from tests.watchdog.counting import backtracking, handle_in
from tests.watchdog.repeating import repeating

HOLDS = 10


@contextmanager
def a_thread_that_always_asks() -> Iterator[None]:
    """As C code that keeps the GIL begins, it has just asked for it."""
    bell, ringer = socket.socketpair()

    def ask() -> None:
        give_way(rest(FOR_WAITS, bell.fileno(), 0.0005, ())[1])

    with closing(bell), closing(ringer), repeating(ask, OwnThread):
        yield


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
