"""A suite whose tests do nothing wrong: none of them fails because it is watched."""

import textwrap

import pytest

from tests.tools.testing.suites import Suite

pytest_plugins = ["pytester"]

SOURCE = """
import asyncio
import threading
import time
import unittest

import pytest


async def work():
    await asyncio.sleep(0.002)
    await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(20)))
    await asyncio.to_thread(time.sleep, 0.005)


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(200))
async def test_anyio(number):
    await work()


class TestCase(unittest.IsolatedAsyncioTestCase):
    pass


async def of_case(self):
    await work()


for number in range(100):
    setattr(TestCase, f"test_{number}", of_case)
"""


@pytest.mark.slow
def test_none_of_them_fails(suite: Suite, loop: str) -> None:
    """A machine that stands still may cost one: then whoever stood still is not known."""
    suite.loop(loop)
    suite.write(test_good=textwrap.dedent(SOURCE))
    outcomes = suite.run("--loopwatch", "-q").parseoutcomes()
    assert outcomes.get("passed", 0) >= 299
    assert sum(outcomes.values()) == 300
    assert outcomes.keys() <= {"passed", "failed"}
