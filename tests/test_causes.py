"""Causes that lie outside the loop's code, made for real in a process of their own."""

import functools
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .calm import begin_again, too_busy
from .conftest import run_to_its_end

TRIES = 5
ROUNDS = 12  # of a scenario in which threads compete for the GIL, in one process
RATE = 0.7  # of the calm ones that are named at least; seen: 19 of 20
GROUPS = Path("/sys/fs/cgroup")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the evidence is Linux's own"),
]


def stalls_of(loop: str, scenario: str, *before: str) -> list[dict[str, Any]]:
    (stalls,) = rounds_of(loop, scenario, before=before)
    return stalls


def rounds_of(
    loop: str, *scenarios: str, before: tuple[str, ...] = ()
) -> list[list[dict[str, Any]]]:
    command = [*before, sys.executable, "-m", "tests.apps.causes", loop, *scenarios]
    lines = run_to_its_end(command, 90).stdout.splitlines()
    return [json.loads(line)["stalls"] for line in lines]


def calm(stall: dict[str, Any]) -> bool:
    return bool(stall["run_queue_seconds"] < 0.2 * stall["duration"])


def competing(loop: str, scenario: str) -> list[dict[str, Any]]:
    """Return the last stall of each calm round.

    Of threads that compete for the GIL the watchdog is one. Now and then it gets it when all is
    over: then no thread is named.
    """
    for left in reversed(range(TRIES)):
        rounds = [stalls[-1] for stalls in rounds_of(loop, *[scenario] * ROUNDS) if stalls]
        if len(found := [stall for stall in rounds if calm(stall)]) >= ROUNDS / 2:
            break
        if not left:
            too_busy(f"{scenario}: fewer than half of the rounds were calm")
        begin_again(f"{scenario} on {loop}: the loop had to wait for a CPU")
    return found


@functools.cache
def calm_stalls(loop: str, scenario: str) -> list[dict[str, Any]]:
    """Return the stalls of a scenario in which the loop did not have to queue for a CPU."""
    for left in reversed(range(TRIES)):
        stalls = stalls_of(loop, scenario)
        if stalls and all(map(calm, stalls)):
            break
        if left:
            begin_again(f"{scenario} on {loop} had to wait for a CPU, or went unseen")
    return stalls


def causes(stalls: list[dict[str, Any]]) -> list[str]:
    return [stall["cause"] for stall in stalls]


def test_busy_threads_are_named_with_their_line(loop: str) -> None:
    stalls = competing(loop, "hogs")
    named = [stall for stall in stalls if stall["gil_holders"]]
    assert set(causes(named)) == {"gil_contention"}
    assert len(named) >= RATE * len(stalls)
    for stall in named:
        assert {h["thread"] for h in stall["gil_holders"]} == {"hog"}
        assert stall["site"]["function"].endswith(".spin_for_ever")
        assert stall["site"]["line"] > 0


def test_a_thread_in_c_code_holds_a_loop_that_would_leave_its_poll(loop: str) -> None:
    stalls = competing(loop, "keeper")
    named = [stall for stall in stalls if stall["gil_holders"]]
    assert set(causes(named)) == {"gil_contention"}
    assert len(named) >= RATE * len(stalls)
    for stall in named:
        assert [h["thread"] for h in stall["gil_holders"]] == ["keeper"]
        assert stall["site"]["function"].endswith(".backtrack")
        assert "re.match" in stall["site"]["code"]


def test_a_collection_over_many_objects_is_told_from_the_code_it_interrupts(loop: str) -> None:
    stalls = calm_stalls(loop, "collection")
    assert "gc" in causes(stalls), stalls
    assert all(s["gc_seconds"] >= s["duration"] / 2 for s in stalls if s["cause"] == "gc")


@pytest.mark.parametrize("scenario", ["stopped", "stopped_idle"])
def test_a_stopped_process_is_nobody_s_fault(loop: str, scenario: str) -> None:
    for _ in range(TRIES):  # a wake of the watchdog just before or after may hide it
        stalls = stalls_of(loop, scenario)
        if any(stall["duration"] >= 0.25 for stall in stalls):
            break
    longest = max(stalls, key=lambda stall: stall["duration"])
    assert longest["cause"] == "starved", stalls
    assert 0.25 <= longest["duration"] <= 2.0
    assert longest["site"]["function"] == "_NONE"


def test_a_full_run_queue_is_nobody_s_fault(loop: str) -> None:
    stall = stalls_of(loop, "queue")[-1]
    assert stall["cause"] == "starved", stall
    assert stall["site"]["function"] == "_NONE"
    assert stall["run_queue_seconds"] >= stall["duration"] / 2
    assert stall["cpu_seconds"] < stall["duration"] / 2


def test_a_cpu_quota_is_nobody_s_fault(loop: str) -> None:
    """On uvloop the watchdog sees a tick only if it has a CPU itself meanwhile, and the kernel
    counts a throttled stretch when it is over: a reading may come before that."""
    for _ in range(TRIES):
        with limited_group() as join:
            stalls = stalls_of(loop, "quota", "sh", "-c", f'echo $$ > {join}; exec "$@"', "sh")
        if stalls and stalls[-1]["throttled_seconds"] >= stalls[-1]["duration"] / 4:
            break
    stall = stalls[-1]
    assert stall["cause"] == "starved", stall
    assert stall["throttled_seconds"] >= stall["duration"] / 4
    assert stall["site"]["function"] == "_NONE"


@contextmanager
def limited_group() -> Iterator[Path]:
    """Make a control group with 30 % of a CPU; skip where that is not allowed."""
    name = f"cpu-of-{os.getpid()}"
    version_1 = (GROUPS / "cpu/cpu.cfs_quota_us").exists() or (GROUPS / "cpu/tasks").exists()
    group = (GROUPS / "cpu" if version_1 else GROUPS) / name
    try:
        group.mkdir()
    except OSError as refused:
        pytest.skip(f"no control group can be made here: {refused}")
    try:
        if version_1:
            (group / "cpu.cfs_quota_us").write_text("30000")
        elif not (group / "cpu.max").exists():
            pytest.skip("the CPU controller is not ours to use here")
        else:
            (group / "cpu.max").write_text("30000 100000")
        yield group / "cgroup.procs"
    finally:
        group.rmdir()
