"""Servers that are loaded in turns, so that all of them meet the same machine.

Each round loads every server once with the same arrivals. The first of a round is the last of the
next. Where there are two processors, all servers have one and the client has another. A round in
which somebody else had them is repeated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeAlias

from arrivals import LEAD, PATIENCE, Seen
from child import HERE, Child, NotMeasuredError, Setup, environment, serving
from client import Client
from cputime import WARM_UP
from progress import note
from schedule import BARE, MOST, Schedule, variant

Round: TypeAlias = dict[str, Seen]  # by row
LOW_RATE = 200.0  # requests/s that any server can bear
STARTS_WITHIN = 30.0  # s, a client
TRIES = 6
RESPITE = 5.0  # s after a disturbed turn: others may be done by then


@dataclass
class Turns:
    """One app on one loop, under each of the variants."""

    rate: float
    rounds: list[Round]
    disturbed: list[Round]  # somebody else had the processors
    reasons: dict[str, str] = field(default_factory=dict)  # why a row is not there


def in_turns(app: str, loop: str, schedule: Schedule) -> Turns:
    with ExitStack() as stack:
        servers, reasons = _started(app, loop, schedule, stack)
        rate = schedule.rate or _calibrated(servers[BARE], schedule.utilisation)
        note(f"    {rate:.0f} requests/s")
        rounds, disturbed = _rounds(servers, rate, schedule)
        return Turns(rate, rounds, disturbed, reasons)


def _started(
    app: str, loop: str, schedule: Schedule, stack: ExitStack
) -> tuple[dict[str, Child], dict[str, str]]:
    servers, reasons = {}, {}
    for row in schedule.rows():
        setup = Setup(app, loop, variant(row))
        try:
            servers[row] = stack.enter_context(serving(setup, processor=processors()[0]))
        except NotMeasuredError as why:
            reasons[row] = str(why)
            continue
        with Client(servers[row].port) as client:
            client.load(WARM_UP)
    return servers, reasons


def processors() -> tuple[int | None, int | None]:
    """Return the servers' and the client's; None where there are not two to choose from."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    able = sorted(os.sched_getaffinity(0))
    return (able[-1], able[0]) if len(able) > 1 else (None, None)


def _calibrated(server: Child, utilisation: float) -> float:
    """Return the rate at which a server is so busy.

    A request costs the less the busier a server is, so each answer is tried and corrected.
    """
    rate = LOW_RATE
    for seed in (-1, -2, -3):
        rate = min(utilisation / _undisturbed(server, rate, seed).cpu, MOST)
    return rate


def _undisturbed(server: Child, rate: float, seed: int) -> Seen:
    for _ in range(TRIES):
        seen = _load(server, rate, 1.0, seed)
        if not seen.disturbed():
            return seen
        time.sleep(RESPITE)
    raise RuntimeError(f"others had the processors in all {TRIES} looks for the rate")


def _rounds(
    servers: dict[str, Child], rate: float, schedule: Schedule
) -> tuple[list[Round], list[Round]]:
    """Return what was asked for, and the rounds that had to be repeated: at most as many."""
    good: list[Round] = []
    disturbed: list[Round] = []
    for number in range(2 * schedule.rounds):
        done = _round(servers, rate, schedule, number)
        told = "; disturbed" if _is_disturbed(done) else ""
        (disturbed if told else good).append(done)
        note(f"    [{len(good)}/{schedule.rounds}] {_p99s(done)}{told}")
        if len(good) == schedule.rounds:
            break
        time.sleep(RESPITE if told else 0.0)
    if 2 * len(good) < schedule.rounds:
        raise RuntimeError(f"others had the processors in {len(disturbed)} of {number + 1} rounds")
    return good, disturbed


def _is_disturbed(done: Round) -> bool:
    return any(seen.disturbed() for seen in done.values())


def _p99s(done: Round) -> str:
    return "p99: " + ", ".join(f"{row} {done[row].p99 * 1e3:.2f} ms" for row in sorted(done))


def _round(servers: dict[str, Child], rate: float, schedule: Schedule, number: int) -> Round:
    """Load each server once, until a turn is disturbed: then the others need not be taken."""
    rows = list(servers)
    first = number % len(rows)
    done: Round = {}
    for row in rows[first:] + rows[:first]:
        done[row] = _load(servers[row], rate, schedule.seconds, number)
        if done[row].disturbed():
            break
    return done


def _load(server: Child, rate: float, seconds: float, seed: int) -> Seen:
    command = [sys.executable, str(HERE / "arrivals.py")]
    command += ["--pid", str(server.pid), "--port", str(server.port)]
    command += ["--rate", str(rate), "--seconds", str(seconds), "--seed", str(seed)]
    if (processor := processors()[1]) is not None:
        command += ["--processor", str(processor)]
    within = STARTS_WITHIN + LEAD + seconds + 2 * PATIENCE
    told = subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, timeout=within, check=False
    )
    if told.returncode:
        raise RuntimeError("the client gave up; its own message is above")
    return Seen(**json.loads(told.stdout))
