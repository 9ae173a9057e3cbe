import importlib.util
from collections.abc import Iterator

import pytest

from .running import Demo, running_demo


@pytest.fixture(scope="session", params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    if request.param == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def demo(loop: str) -> Iterator[Demo]:
    with running_demo(loop) as demo:
        yield demo
