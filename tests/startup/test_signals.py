"""A signal to a program under `loopwatch run --`: it gets the signal, and ends as it does bare."""

import signal
import sys
from pathlib import Path

import pytest

from tests.startup.programs import outcome, watched

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="programs are replaced on POSIX alone"),
]
STALLED = """
import asyncio, os, signal, sys, time

async def main():
    {prepare}
    time.sleep(0.6)
    await asyncio.sleep({later})  # it has been told by then
    print(os.getppid(), flush=True)
    await {wait}

asyncio.run(main())
"""
ENDS = {  # what a program does about SIGTERM: preparation, what it waits for, exit code
    "default": ("pass", "asyncio.sleep(60)", -signal.SIGTERM),
    "exits": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))",
        "asyncio.sleep(60)",
        5,
    ),
    "stops": (
        "done = asyncio.Event(); "
        "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)",
        "done.wait()",
        0,
    ),
    "ignores": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "asyncio.sleep(1)", 0),
}


@pytest.mark.parametrize("way", ENDS)
def test_a_program_that_ends_by_itself_tells_its_stalls_and_one_that_is_killed_cannot(
    way: str, tmp_path: Path
) -> None:
    """Its parent is ours: nothing stands between a supervisor and the program."""
    prepare, wait, code = ENDS[way]
    later = 3 if way == "default" else 0.3
    words = [sys.executable, "-c", STALLED.format(prepare=prepare, wait=wait, later=later)]
    bare = outcome(words, tmp_path / "bare", signal.SIGTERM)
    assert outcome(watched(*words), tmp_path / "watched", signal.SIGTERM) == bare
    assert bare[0] == code
    told = (tmp_path / "watched").read_text()
    assert told.count("1 stall held a loop") == (0 if way == "default" else 1)
    assert "main held the loop" in told  # the log has it in any case
