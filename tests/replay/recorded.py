"""Recordings written down by hand, step by step."""

from __future__ import annotations

from loopwatch.core.recording import RecordedPoll, RecordedRequest, RecordedStep, Recording


def step(
    started: float,
    ended: float,
    kind: str = "callback",
    wake: str = "soon",
    request: int = 0,
    by: int = -1,
    due: float = 0.0,
    task: int = 0,
) -> RecordedStep:
    name = "" if kind in ("request", "gap") else "work"
    return RecordedStep(started, ended, kind, wake, request, task, name, 0.0, due, by)  # type: ignore[arg-type]


def request(serial: int, arrived: float, started: float, ended: float) -> RecordedRequest:
    return RecordedRequest(
        serial, "GET", "/", arrived, started, ended, ended, running=0.0, stalled=0.0, pooled=0.0
    )


def made(
    steps: list[RecordedStep],
    polls: list[tuple[float, float]],
    requests: tuple[RecordedRequest, ...] = (),
    loop: str = "asyncio",
) -> Recording:
    return Recording(
        *(loop, "main", 1, 0.0, 0.0, 100.0, tuple(steps)),
        tuple(RecordedPoll(*poll) for poll in polls),
        *(requests, (), (), False),
    )
