"""A route behind `@app.middleware("http")`, held by C code that keeps the GIL, under a real
uvicorn.

It runs in a child task of the server's, so its steps are known by their context alone. Each size of
the expression doubles its time; holds below the threshold are no stalls.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .calm import in_calm
from .conftest import CHECKOUT
from .serving import Server, Visitor, serve

pytestmark = pytest.mark.slow
HOLDS = 12  # of each of two sizes
BESIDE = 3  # requests that wait for each of them
EXACT = 0.005  # s
CODE = 're.match(r"(a+)+$", text)'
ROUTE, QUICK = "/regex/{letters}", "/quick"


@pytest.fixture(scope="module")
def server(loop: str) -> Iterator[Server]:
    with serve("layered:app", loop) as server:
        server.get("/quick")
        yield server


async def hold(server: Server, letters: list[int]) -> tuple[list[float], list[float]]:
    """Return s that each hold took, and each answer that waited for one, as clients see them."""
    holder = await Visitor.to(server)
    others = [await Visitor.to(server) for _ in range(BESIDE)]
    truths, waited = [], []

    async def beside(other: Visitor) -> None:
        began = time.perf_counter()
        await other.get("/quick")
        waited.append(time.perf_counter() - began)

    for size in letters:
        tasks = [asyncio.create_task(beside(other)) for other in others]
        await asyncio.sleep(0.004)
        truths.append(await holder.get(f"/regex/{size}"))
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.03)
    for visitor in (holder, *others):
        await visitor.close()
    return truths, waited


@in_calm
def test_every_hold_is_told_exactly_and_the_culprit_is_no_victim(server: Server) -> None:
    size = server.get("/size").json()
    server.clear()
    before = rows(server)
    truths, waited = asyncio.run(hold(server, [size + 2, size + 3] * HOLDS))
    stalls = server.stalls()
    slow = [truth for truth in truths if truth >= 0.1]
    assert len(stalls) == len(slow) >= HOLDS
    for stall, truth in zip(stalls, slow, strict=True):
        assert stall["duration"] == pytest.approx(truth, abs=EXACT)
        assert (stall["route"], stall["coroutine"]) == (ROUTE, "tests.apps.layered.regex")
        assert (stall["site"]["code"], stall["site"]["exact"]) == (CODE, True)
        assert stall["site"]["line"] == line_of(CODE)
        assert stall["victims"] == BESIDE
    assert {tuple(blame[:2]) for blame in server.read("blames")} == {(ROUTE, QUICK)}
    held, quick = spent(server, before, ROUTE), spent(server, before, QUICK)
    assert held["running"] == pytest.approx(sum(truths), rel=0.05)
    assert held["stalled"] == 0.0
    lost = sum(stall["lost_request_seconds"] for stall in stalls)
    assert quick["stalled"] == pytest.approx(lost)
    assert quick["seconds"] == pytest.approx(sum(waited), rel=0.05)
    own = 0.01 * len(waited)  # what they wait for without anybody
    assert own / 2 < sum(waited) - quick["stalled"] < sum(waited) * 0.3


def rows(server: Server) -> dict[str, dict[str, Any]]:
    return {row["route"]: row for row in server.read("requests")}


def spent(server: Server, before: dict[str, Any], route: str) -> dict[str, float]:
    now, then = rows(server)[route], before.get(route, {})
    return {name: now[name] - then.get(name, 0.0) for name in now if name != "route"}


def line_of(code: str) -> int:
    lines = (CHECKOUT / "tests/apps/layered.py").read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, start=1) if line.strip() == code)
