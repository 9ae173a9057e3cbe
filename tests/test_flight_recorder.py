"""The flight recorder under a real server: times add up, and every victim has an arrow."""

import asyncio

import httpx
import pytest

from tests.exporters.trace_format import Slice, Trace, read
from tests.ports import HOST
from tests.serving import Server, serve

MS = 1_000_000  # ns


async def load(server: Server) -> None:
    """Make requests of all kinds, with two that hold the loop while others are under way."""
    base = f"http://{HOST}:{server.port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=60) as client:

        async def get(path: str, delay: float) -> None:
            await asyncio.sleep(delay)
            assert (await client.get(path)).status_code == 200

        paths = [(f"/good/{n}?token=secret", 0.05 * n) for n in range(20)]
        paths += [("/fan", 0.1 * n) for n in range(10)]
        paths += [("/bad/1", 0.2), ("/bad/2", 0.9)]
        await asyncio.gather(*(get(path, delay) for path, delay in paths))


def requests(trace: Trace) -> list[list[Slice]]:
    """Return the slices of each request's track, the whole first."""
    return [trace.slices[track] for track, name in trace.tracks.items() if "#" in name]


@pytest.mark.slow
def test_a_trace_of_a_real_server_holds_together(loop: str) -> None:
    with serve("recorded:app", loop) as server:
        asyncio.run(load(server))
        busy = server.get("/busy").json()
        text = server.get("/watch/trace.json").content
    assert busy["before"] * 0.99 <= busy["steps"] <= busy["after"] * 1.01
    assert b"secret" not in text
    trace = read(text)
    assert trace.about["left_out"] == {"steps": 0, "requests": 0, "arrows": 0}
    check_loop(trace)
    check_requests(trace)
    check_victims(trace)


def check_loop(trace: Trace) -> None:
    """Slices cover the loop's time, and do not overlap."""
    [about] = trace.about["loops"]
    slices = trace.track(" loop (")
    assert {one.depth for one in slices} == {0}
    covered = sum(one.ended - one.began for one in slices) / 1e9
    assert covered == pytest.approx(about["until"] - about["since"], rel=0.01)


def check_requests(trace: Trace) -> None:
    """The parts of each request cover its time; a route is told by its template."""
    names = {whole.name for whole, *_ in requests(trace)}
    assert {"GET /good/{number}", "GET /bad/{number}", "GET /fan"} <= names
    for whole, *parts in requests(trace):
        told = {part.name for part in parts}
        assert told <= {"queued", "running", "stalled", "waiting", "background"}
        assert sum(p.ended - p.began for p in parts) == whole.ended - whole.began
        if "latency_ms" not in whole.args or "in_flight" in whole.args:
            continue
        named = ("queued", "running", "stalled", "waiting")
        assert sum(whole.args[f"{n}_ms"] for n in named) == pytest.approx(
            whole.args["latency_ms"], abs=0.01
        )


def check_victims(trace: Trace) -> None:
    """Whoever lost time to a stall has an arrow from the step that held the loop."""
    reached = {id(end) for _, end in trace.arrows}
    for whole, *parts in requests(trace):
        if whole.args.get("stalled_ms", 0.0) > 0.001:
            assert any(id(part) in reached for part in parts), whole
    held = [(start, end) for start, end in trace.arrows if start.ended - start.began >= 500 * MS]
    assert len(held) >= 5
    for start, end in held:
        assert start.name == "GET /bad/{number}"
        assert end.name in ("stalled", "queued", "running", "waiting")
    stalls = [one for one in trace.track("stalls of") if one.name == "tests.apps.recorded.bad"]
    assert len(stalls) == 2
    assert 0 < sum(one.args["victims"] for one in stalls) <= len(trace.arrows)
