"""Loads servers in turns, so that all of them meet the same conditions.

Each round loads every server once with the same arrivals. The first of a round is the last of the
next. With two processors, all servers share one and the client has another. A round in which other
processes had them is repeated.
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
LOW_RATE = 200.0  # requests/s that any server can handle
STARTS_WITHIN = 30.0  # s, a client
TRIES = 6
RESPITE = 5.0  # s of pause after a disturbed turn, for other processes to finish


@dataclass
class Turns:
    """One app on one loop, under each of the variants."""

    rate: float
    rounds: list[Round]
    disturbed: list[Round]  # other processes had the processors
    reasons: dict[str, str] = field(default_factory=dict)  # why a row is missing


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
    """Return the processors of the servers and the client; None with fewer than two."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    able = sorted(os.sched_getaffinity(0))
    return (able[-1], able[0]) if len(able) > 1 else (None, None)


def _calibrated(server: Child, utilisation: float) -> float:
    """Return the rate at which a server has the wanted utilisation.

    A request costs less on a busier server, so each estimate is tried and corrected.
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
    raise RuntimeError(f"other processes had the processors in all {TRIES} tries for the rate")


def _rounds(
    servers: dict[str, Child], rate: float, schedule: Schedule
) -> tuple[list[Round], list[Round]]:
    """Return the wanted rounds, and the disturbed ones: at most as many."""
    good: list[Round] = []
    disturbed: list[Round] = []
    for number in range(2 * schedule.rounds):
        done = _round(servers, rate, schedule, number)
        suffix = "; disturbed" if _is_disturbed(done) else ""
        (disturbed if suffix else good).append(done)
        note(f"    [{len(good)}/{schedule.rounds}] {_p99s(done)}{suffix}")
        if len(good) == schedule.rounds:
            break
        time.sleep(RESPITE if suffix else 0.0)
    if 2 * len(good) < schedule.rounds:
        raise RuntimeError(
            f"other processes had the processors in {len(disturbed)} of {number + 1} rounds"
        )
    return good, disturbed


def _is_disturbed(done: Round) -> bool:
    return any(seen.disturbed() for seen in done.values())


def _p99s(done: Round) -> str:
    return "p99: " + ", ".join(f"{row} {done[row].p99 * 1e3:.2f} ms" for row in sorted(done))


def _round(servers: dict[str, Child], rate: float, schedule: Schedule, number: int) -> Round:
    """Load each server once; stop at a disturbed turn, since the round is then repeated."""
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
    done = subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, timeout=within, check=False
    )
    if done.returncode:
        raise RuntimeError("the client gave up; its own message is above")
    return Seen(**json.loads(done.stdout))
