"""Where requests of a real server wait, against what the app itself has noted."""

import asyncio
import time
from collections import defaultdict
from typing import Any

import httpx
import pytest

from tests.ports import HOST

from .serving import PATIENCE, Server, serve

pytestmark = pytest.mark.slow

LOAD = 4.0  # s
AT_ONCE = 5  # requests of each route
TOLERANCE = 0.1  # of a route's waiting
TRIES = 3
CALM = 0.8  # of all waiting that is told on a machine that is not too busy


@pytest.fixture(scope="module")
def told(loop: str) -> dict[str, Any]:
    """What the app's door says after a load on every route, if possible on a calm machine."""
    for _ in range(TRIES):
        found = loaded(loop)
        if is_calm(found):
            break
    return found


def loaded(loop: str) -> dict[str, Any]:
    with serve("waiting:app", loop) as server:
        routes = ["semaphore", "lock", "upstream", "gather", "serial", "nothing"]
        if server.read("database"):
            routes.append("database")
        asyncio.run(load(server, routes))
        time.sleep(0.2)
        return {what: server.read(what) for what in ("shot", "truth", "database", "port")}


def is_calm(told: dict[str, Any]) -> bool:
    """Return whether looks could be taken in time; else what they would have seen is missing."""
    waited = sum(r["waiting"] for r in told["shot"]["requests"])
    return bool(sum(r["seconds"] for r in told["shot"]["waits"]) > CALM * waited)


def skip_unless_calm(told: dict[str, Any]) -> None:
    if not is_calm(told):
        pytest.skip("the machine is too busy to look in time")


async def load(server: Server, routes: list[str]) -> None:
    """Have requests of every route in flight for a while."""
    ends = time.monotonic() + LOAD
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:

        async def visit(route: str) -> None:
            while time.monotonic() < ends:
                answer = await client.get(f"http://{HOST}:{server.port}/{route}")
                assert answer.status_code == 200
                if route == "nothing":
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(visit(route) for route in routes for _ in range(AT_ONCE)))


def rows(told: dict[str, Any], route: str) -> list[dict[str, Any]]:
    return [row for row in told["shot"]["waits"] if row["route"] == route]


def row(told: dict[str, Any], route: str, resource: str) -> dict[str, Any]:
    found = [r for r in rows(told, route) if r["resource"] == resource]
    return max(found, key=lambda r: float(r["seconds"]))


def shares(told: dict[str, Any], route: str, by: str = "resource") -> dict[str, float]:
    """Return the part of each resource, or function, in what a route has waited."""
    parts: defaultdict[str, float] = defaultdict(float)
    for each in rows(told, route):
        name = each["place"]["function"].rpartition(".")[2] if by == "function" else each[by]
        parts[name] += each["seconds"]
    whole = sum(parts.values())
    return {name: seconds / whole for name, seconds in parts.items()}


def truth(told: dict[str, Any], route: str) -> dict[str, float]:
    parts: dict[str, float] = told["truth"][route]
    return {name: seconds / sum(parts.values()) for name, seconds in parts.items()}


@pytest.mark.parametrize("route", ["/semaphore", "/lock", "/upstream", "/serial", "/database"])
def test_each_resource_has_its_share(told: dict[str, Any], route: str) -> None:
    if route == "/database" and not told["database"]:
        pytest.skip("SQLAlchemy with aiosqlite is not installed")
    skip_unless_calm(told)
    found = shares(told, route)
    for resource, share in truth(told, route).items():
        assert found.get(resource, 0.0) == pytest.approx(share, abs=TOLERANCE), found


def test_children_have_their_shares(told: dict[str, Any]) -> None:
    skip_unless_calm(told)
    found = shares(told, "/gather", "function")
    assert found == pytest.approx(truth(told, "/gather"), abs=TOLERANCE)


def test_a_route_is_told_no_more_than_it_has_waited(told: dict[str, Any]) -> None:
    waiting = {r["route"]: r["waiting"] for r in told["shot"]["requests"]}
    for route, seconds in waiting.items():
        assert sum(r["seconds"] for r in rows(told, route)) <= seconds + 1e-6


def test_requests_that_wait_for_nothing_have_nothing(told: dict[str, Any]) -> None:
    assert sum(r["seconds"] for r in rows(told, "/nothing")) < 0.1


def test_who_holds_the_semaphore_and_the_lock(told: dict[str, Any]) -> None:
    for route, resource, most in (("/semaphore", "semaphore", 2), ("/lock", "lock", 1)):
        found = row(told, route, resource)
        assert 1 <= len(found["holders"]) <= most
        for holder in found["holders"]:
            assert holder["route"] == route
            assert holder["resource"] == "timer"
            assert holder["site"]["code"].startswith("await asyncio.sleep(")
            assert holder["seconds"] >= 0.0
        assert 1 <= found["most_waiting"] <= AT_ONCE
        assert "held over" in found["advice"]


def test_who_holds_the_connections(told: dict[str, Any]) -> None:
    if not told["database"]:
        pytest.skip("SQLAlchemy with aiosqlite is not installed")
    found = row(told, "/database", "pool")
    assert found["place"]["function"] == "tests.apps.waiting.database"
    assert 1 <= len(found["holders"]) <= 3
    assert {holder["route"] for holder in found["holders"]} == {"/database"}
    assert "larger" in found["advice"]


def test_the_slow_upstream_is_named(told: dict[str, Any]) -> None:
    found = row(told, "/upstream", "socket")
    assert found["peer"] == f"{HOST}:{told['port']}"
    assert found["call"] == "asyncio.streams.StreamReader.read"
    assert found["peer"] in found["advice"]


def test_serial_awaits_are_noticed(told: dict[str, Any]) -> None:
    skip_unless_calm(told)
    found = row(told, "/serial", "timer")
    assert found["place"]["function"] == "tests.apps.waiting.query"
    assert 10 <= found["serial"] <= 25
    assert "gather" in found["advice"]
    assert row(told, "/upstream", "timer")["serial"] == 1
