"""What all tests share: loops, private watches, blocking that is measured, processes of their own.

Blocking is measured by whoever blocks: on a shared machine a nominal 150 ms is rarely 150 ms.
"""

import asyncio
import gc
import importlib.util
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prometheus_client import CollectorRegistry

from loopwatch import Watch
from loopwatch.core.request import REQUEST

from .tally import Tally

T = TypeVar("T")
MakeWatch = Callable[..., Watch]

CHECKOUT = Path(__file__).resolve().parents[1]
LOOPS = ("asyncio", "uvloop")
TOLERANCE = 0.010  # s: how far from the truth a duration may be


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Tally(config), "tally")


def spin_for(seconds: float) -> float:
    """Hold the thread with Python code, and return for how long it really was, in seconds."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        pass
    return time.perf_counter() - began


def block_for(seconds: float) -> float:
    """Hold the thread in a blocking call, and return for how long it really was, in seconds."""
    began = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - began


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes a loop of that make."""
    if loop == "asyncio":
        return asyncio.new_event_loop
    module = importlib.import_module(loop)
    made: Callable[[], asyncio.AbstractEventLoop] = module.new_event_loop
    return made


def run_on(loop: str, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new loop of that make, which is closed afterwards."""
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(main)


def private_watch(**options: Any) -> Watch:
    """Return a watch that tells nobody, and whose budget no busy machine can use up."""
    quiet: dict[str, Any] = {"registry": None, "otel": False, "log": False, "cpu_budget": 1.0}
    return Watch(**quiet | options)


async def until(condition: Callable[[], bool], patience: float = 5.0) -> None:
    """Wait for the watchdog's thread to have done something."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def watchdog_round() -> None:
    """Let the watchdog look at the loop at least twice."""
    await asyncio.sleep(0.15)


def run_script(source: str, *arguments: str, **environment: str) -> str:
    """Run Python source in a process of its own, and return what it printed; warnings raise."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source), *arguments]
    return run_to_its_end(command, 60, PYTHONPATH=str(CHECKOUT), **environment).stdout


def run_to_its_end(
    command: list[str], patience: float, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command in the checkout for at most `patience` seconds; it must exit with 0."""
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def clean_environment() -> dict[str, str]:
    """Return the environment without what would change what is tested."""
    elsewhere = (
        "DATABASE_URL",
        "LOOPWATCH_",
        "OTEL_",
        "PYTHONASYNCIODEBUG",
        "PROMETHEUS_",
        "COLUMNS",
        "LINES",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}


@pytest.fixture(scope="module", autouse=True)
def _old_objects_are_left_alone() -> None:
    """Take what earlier modules have left out of collections. After some thousand tests a full one
    takes 0.2 s, which is a stall."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_request_is_left() -> Iterator[None]:
    """In its context all that later tests do would be the request's."""
    yield
    assert REQUEST.get(None) is None, "begin a request in a coroutine, or in a copy of the context"


@pytest.fixture(scope="session", params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The make of a loop: whatever uses this runs on each."""
    name: str = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def make_watch() -> Iterator[MakeWatch]:
    """Makes watches that tell nobody unless asked to, stopped afterwards."""
    made: list[Watch] = []

    def make(**options: Any) -> Watch:
        made.append(private_watch(**options))
        return made[-1]

    yield make
    for watch in made:
        watch.stop()
