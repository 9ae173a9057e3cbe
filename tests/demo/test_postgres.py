"""The lessons of asyncpg, on a real PostgreSQL."""

import os
import time
from collections.abc import Iterator

import pytest

from ..examples.expected import EXAMPLES, check
from .postgres import PostgresMissingError, running_postgres
from .running import running_demo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    try:
        with running_postgres() as url:
            yield url
    except PostgresMissingError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def test_users_come_from_postgres_without_a_stall(loop: str, database_url: str) -> None:
    """The query takes its time on the server, and the loop is free; 404 where there is no row."""
    with running_demo(loop, DATABASE_URL=database_url) as demo:
        since = time.time()
        user = demo.client.get("/users/asyncpg/7").json()
        assert user == demo.client.get("/users/aiosqlite/7").json()
        assert demo.client.get("/users/asyncpg/0").status_code == 404
        assert demo.stalls(since) == []


def test_the_numbered_lesson_prints_the_same_as_with_its_stand_in(
    loop: str, database_url: str
) -> None:
    check(EXAMPLES / "04_async_driver.py", loop, DATABASE_URL=database_url)
