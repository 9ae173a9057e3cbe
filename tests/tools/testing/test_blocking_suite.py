"""A suite in which every test holds its loop: each fails, in its call, at its line.

All of them wait. Work on the CPU is left out: on a machine that is busy with other work, whoever
had no CPU for half of a stall is not to blame for it.
"""

import textwrap

import pytest

from tests.tools.testing.suites import Suite, line_of

pytest_plugins = ["pytester"]

SOURCE = """
import asyncio
import concurrent.futures
import logging
import queue
import select
import socket
import subprocess
import sys
import threading
import time
import unittest

import pytest

HOLD = 0.5


class Handler(logging.Handler):
    def emit(self, record):
        time.sleep(HOLD)  # test_log


def helper():
    time.sleep(HOLD)  # test_helper


async def deeper():
    await asyncio.sleep(0)
    time.sleep(HOLD)  # test_deep


@pytest.mark.anyio
async def test_sleep():
    time.sleep(HOLD)  # test_sleep


@pytest.mark.anyio
async def test_after_awaiting():
    await asyncio.sleep(0.01)
    time.sleep(HOLD)  # test_after_awaiting
    await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_helper():
    helper()


@pytest.mark.anyio
async def test_deep():
    await deeper()


@pytest.mark.anyio
async def test_select():
    select.select([], [], [], HOLD)  # test_select


@pytest.mark.anyio
async def test_subprocess():
    subprocess.run([sys.executable, "-c", f"import time; time.sleep({HOLD})"])  # test_subprocess


@pytest.mark.anyio
async def test_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=HOLD)  # test_lock


@pytest.mark.anyio
async def test_queue():
    with pytest.raises(queue.Empty):
        queue.Queue().get(timeout=HOLD)  # test_queue


@pytest.mark.anyio
async def test_socket():
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(HOLD)
        with pytest.raises(TimeoutError):
            one.recv(1)  # test_socket


@pytest.mark.anyio
async def test_join():
    thread = threading.Thread(target=time.sleep, args=(HOLD,))
    thread.start()
    thread.join()  # test_join


@pytest.mark.anyio
async def test_result():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, HOLD).result()  # test_result


@pytest.mark.anyio
async def test_task():
    async def inner():
        time.sleep(HOLD)  # test_task

    await asyncio.create_task(inner())


@pytest.mark.anyio
async def test_call_soon():
    asyncio.get_running_loop().call_soon(time_out)
    await asyncio.sleep(0.05)


def time_out():
    time.sleep(HOLD)  # test_call_soon


@pytest.mark.anyio
async def test_log():
    logger = logging.getLogger("own")
    logger.addHandler(Handler())
    logger.warning("slow")


class TestCase(unittest.IsolatedAsyncioTestCase):
    async def test_case(self):
        time.sleep(HOLD)  # test_case


@pytest.mark.anyio
@pytest.mark.loopwatch(slow_callback_duration=0.2)
async def test_marked():
    time.sleep(HOLD)  # test_marked
"""
TESTS = [
    line.split("def ")[1].partition("(")[0]
    for line in SOURCE.splitlines()
    if "async def test_" in line
]


@pytest.mark.slow
def test_all_of_them_fail_each_with_its_line(suite: Suite, loop: str) -> None:
    """Sixteen of them; on asyncio in two processes, to whose tests xdist adds its own."""
    source = textwrap.dedent(SOURCE).strip()
    suite.loop(loop)
    suite.write(test_blocking=source)
    processes = ("-n", "2") if loop == "asyncio" else ()
    result = suite.run("--loopwatch", "--loopwatch-json", "found.json", *processes)
    assert len(TESTS) == 16
    result.assert_outcomes(failed=16)  # none in its setup or teardown
    found = {
        name.rpartition("::")[2].partition("[")[0]: f
        for f in suite.json()["findings"]
        for name in f["tests"]
    }
    assert found.keys() == {*TESTS}
    wrong = {
        name: f["line"] for name, f in found.items() if f["line"] != line_of(source, f"# {name}")
    }
    assert wrong == {}
    output = result.stdout.str()
    for name in TESTS:
        assert f"test_blocking.py:{line_of(source, f'# {name}')}: LoopStalled" in output
