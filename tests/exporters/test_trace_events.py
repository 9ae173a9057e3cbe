"""Traces from hand-made recordings, read by a strict reader of the format."""

from typing import Any

import pytest

from loopwatch import Site, Stall
from loopwatch.core.recording import (
    RecordedPause,
    RecordedPoll,
    RecordedRequest,
    RecordedStep,
    RecordedWait,
    Recording,
)
from loopwatch.exporters import trace_events
from loopwatch.exporters.trace_events import TraceEvents
from tests.exporters.trace_format import Trace, read

STARTED = 1000.0
UNIX = 1.7e9


def step(began: float, ended: float, request: int = 0, name: str = "", **more: Any) -> RecordedStep:
    kind = "request" if request and not name else "callback"
    given: dict[str, Any] = {"kind": kind, "wake": "soon", "task": 0, "made": 0.0, "due": 0.0}
    given |= {"request": request, "name": name, "by": -1} | more
    return RecordedStep(STARTED + began, STARTED + ended, **given)


def request(
    serial: int, arrived: float, started: float, ended: float, route: str = "/", **more: Any
) -> RecordedRequest:
    given = {"running": 0.0, "stalled": 0.0, "pooled": 0.0} | more
    moments = (STARTED + arrived, STARTED + started, STARTED + ended, STARTED + ended)
    return RecordedRequest(serial, "GET", route, *moments, **given)


def wait(began: float, ended: float, of: int, seconds: float, queued: bool = False) -> RecordedWait:
    return RecordedWait(STARTED + began, STARTED + ended, 1, of, seconds, queued)


def recording(**fields: Any) -> Recording:
    given: dict[str, Any] = {
        "loop": "asyncio",
        "thread": "MainThread",
        "native_id": 77,
        "unix": UNIX,
        "since": STARTED,
        "until": STARTED + 2.0,
        "steps": (),
        "polls": (),
        "requests": (),
        "waits": (),
        "pauses": (),
        "cut": False,
    }
    return Recording(**given | fields)


def traced(*recordings: Recording, stalls: tuple[Stall, ...] = ()) -> Trace:
    return read(b"".join(TraceEvents(recordings, stalls, pid=4711).written()))


def a_hold() -> Recording:
    """Request 1 holds the loop for 0.5 s; 2 is in its socket meanwhile, and 3 is ready."""
    return recording(
        steps=(
            step(0.0, 0.1, 3),
            step(0.2, 0.7, 1),
            step(0.7, 0.72, 3),
            step(0.72, 0.73, 2),
            step(0.73, 0.74, 0, "shop.tick"),
        ),
        polls=(RecordedPoll(STARTED + 0.1, STARTED + 0.2),),
        requests=(
            request(1, 0.2, 0.2, 0.7, "/bad", running=0.5),
            request(3, 0.0, 0.0, 0.72, "/ready", running=0.12, stalled=0.4),
            request(2, 0.3, 0.72, 0.73, "/queued", running=0.01),
        ),
        waits=(wait(0.2, 0.7, 3, 0.4), wait(0.2, 0.7, 2, 0.4, queued=True)),
        pauses=(RecordedPause(STARTED + 0.5, STARTED + 0.6),),
    )


def test_every_step_and_poll_is_a_slice_of_the_loops_track() -> None:
    slices = traced(a_hold()).track("asyncio loop (MainThread)")
    assert [(s.name, s.began, s.ended) for s in slices] == [
        ("GET /ready", 0, 100_000_000),
        ("poll", 100_000_000, 200_000_000),
        ("GET /bad", 200_000_000, 700_000_000),
        ("GET /ready", 700_000_000, 720_000_000),
        ("GET /queued", 720_000_000, 730_000_000),
        ("shop.tick", 730_000_000, 740_000_000),
    ]
    assert slices[2].args == {"woken_by": "soon", "request": 1, "route": "/bad"}


def test_the_parts_of_a_request_add_up_to_its_latency() -> None:
    trace = traced(a_hold())
    whole, *parts = trace.track("GET /ready #3")
    assert [(p.name, (p.ended - p.began) // 1_000_000) for p in parts] == [
        ("running", 100),
        ("waiting", 200),
        ("stalled", 400),
        ("running", 20),
    ]
    assert whole.args["latency_ms"] == 720.0
    assert whole.args["stalled_ms"] == 400.0
    assert sum(whole.args[f"{n}_ms"] for n in ("queued", "running", "stalled", "waiting")) == 720.0
    queued, *_ = trace.track("GET /queued #2")[1:]
    assert (queued.name, queued.ended - queued.began) == ("queued", 420_000_000)


def test_an_arrow_leads_from_the_culprit_to_every_victim() -> None:
    trace = traced(a_hold())
    assert [(start.name, end.name) for start, end in trace.arrows] == [
        ("GET /bad", "stalled"),
        ("GET /bad", "queued"),
    ]


def test_stalls_and_collections_are_marked() -> None:
    stall = Stall(
        started_at=UNIX + STARTED + 0.2,
        duration=0.5,
        cause="blocking_call",
        route="/bad",
        site=Site("shop.bad", "/app/shop.py", 21, "time.sleep(token)"),
        thread="MainThread",
        victims=2,
        advice="Await it.",
    )
    elsewhere = Stall(started_at=UNIX + STARTED + 0.2, duration=0.5, thread="Other")
    before = Stall(started_at=UNIX + STARTED - 9.0, duration=0.5, thread="MainThread")
    trace = traced(a_hold(), stalls=(before, stall, elsewhere))
    [marked] = trace.track("stalls of MainThread")
    assert marked.name == "shop.bad"
    assert marked.args["line"] == "/app/shop.py:21"
    assert (marked.args["cause"], marked.args["victims"]) == ("blocking_call", 2)
    assert abs(marked.ended - marked.began - 500_000_000) <= 1000  # Unix time has µs
    [pause] = trace.track("garbage collections")
    assert pause.ended - pause.began == 100_000_000


def test_a_request_in_flight_and_one_that_goes_on_after_its_response() -> None:
    flying = RecordedRequest(1, "GET", "/slow", *(STARTED + 0.5,) * 2, 0.0, 0.0, 0.0, 0.0, 0.0)
    behind = RecordedRequest(
        2, "GET", "/done", *(STARTED,) * 2, STARTED + 1, STARTED + 1.5, 0, 0, 0
    )
    trace = traced(recording(requests=(behind, flying), steps=(step(1.2, 1.4, 2),)))
    whole, waiting = trace.track("/slow")
    assert whole.args["in_flight"] is True
    assert (waiting.name, waiting.ended) == ("waiting", 2_000_000_000)
    names = [s.name for s in trace.track("/done")]
    assert names == ["GET /done", "waiting", "background", "running", "background"]


def test_what_was_before_the_recording_is_no_waiting() -> None:
    old = request(1, -1.0, -1.0, 0.5)
    [_, before, rest] = traced(recording(requests=(old,))).track("GET / #1")
    assert (before.name, before.ended, rest.name) == ("not recorded", 0, "waiting")


def test_two_loops_have_their_own_tracks_and_one_zero() -> None:
    first, second = a_hold(), recording(native_id=78, thread="Two", since=STARTED + 0.5)
    trace = traced(first, second)
    assert {name for name in trace.tracks.values() if "loop" in name} == {
        "asyncio loop (MainThread)",
        "asyncio loop (Two)",
    }
    assert len(trace.about["loops"]) == 2
    assert trace.about["loops"][0]["since"] == UNIX + STARTED


def test_nothing_recorded_is_a_trace_as_well() -> None:
    assert traced().about["loops"] == []
    assert traced(recording()).slices == {}


def test_names_are_escaped() -> None:
    hostile = '</script>"\\\n\x00\u202e'
    slices = traced(recording(steps=(step(0.0, 0.1, 0, hostile),))).track("asyncio loop")
    assert slices[0].name == hostile


def test_what_is_left_out_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_events, "STEPS", 3)
    monkeypatch.setattr(trace_events, "REQUESTS", 2)
    monkeypatch.setattr(trace_events, "ARROWS", 1)
    trace = traced(a_hold())
    assert [s.name for s in trace.track("asyncio loop")] == [
        "GET /ready",
        "GET /queued",
        "shop.tick",
    ]
    assert trace.about["left_out"] == {"steps": 3, "requests": 1, "arrows": 2}


def test_culprits_and_victims_have_tracks_before_the_slowest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trace_events, "REQUESTS", 4)
    slow = tuple(request(10 + n, 0.0, 0.0, 1.0 + n / 10, f"/slow{n}") for n in range(3))
    given = a_hold()
    trace = traced(recording(requests=given.requests + slow, waits=given.waits, steps=given.steps))
    shown = {name for name in trace.tracks.values() if "#" in name}
    assert shown == {"GET /bad #1", "GET /queued #2", "GET /ready #3", "GET /slow2 #12"}
