"""Traces in a folder: written on stalls and slow requests, seldom, and only the latest kept."""

import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from loopwatch import Stall
from loopwatch.exporters import trace_files
from loopwatch.exporters.trace_files import APART, FILES, OFTEN, SLOW, TraceFiles
from tests.conftest import MakeWatch, block_for, run_on

STALL = Stall(started_at=0.0, duration=0.5)


class Told:
    """A watch that says what it was told to."""

    def __init__(self) -> None:
        self.slowest, self.traces = 0.0, 0
        self.hold = threading.Event()
        self.hold.set()

    def trace(self) -> bytes:
        assert self.hold.wait(20)
        self.traces += 1
        return b'{"traceEvents":[]}'

    def slowest_request(self) -> float:
        return self.slowest


class Writing:
    def __init__(self, folder: Path) -> None:
        self.now, self.told = 1000.0, Told()
        self.files = TraceFiles(folder, lambda: self.now)
        self.files.start(self.told)

    def ended(self) -> None:
        assert self.files._thread is not None
        self.files._thread.join(20)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_stall_has_a_trace_written(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.files.stalled(STALL)
    writing.ended()
    [name] = names(tmp_path)
    assert name.startswith("loopwatch-trace-")
    assert name.endswith(f"-{os.getpid()}.json")
    assert json.loads((tmp_path / name).read_text()) == {"traceEvents": []}


def test_a_slow_request_has_a_trace_written_and_a_quick_one_has_none(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    writing.told.slowest = SLOW * 0.99
    writing.files.write(lambda: ())
    assert writing.files.due_in() == OFTEN
    writing.told.slowest = SLOW
    writing.files.write(lambda: ())  # not yet
    assert names(tmp_path) == []
    writing.now += OFTEN
    writing.files.write(lambda: ())
    writing.ended()
    assert len(names(tmp_path)) == 1


def test_further_ones_are_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writing = Writing(tmp_path)
    with caplog.at_level(logging.INFO, "loopwatch"):
        for _ in range(4):
            writing.files.stalled(STALL)
        writing.ended()
        assert writing.told.traces == 1
        writing.now += APART
        writing.files.stalled(STALL)
        writing.ended()
    assert writing.told.traces == 2
    assert "because of a stall of 0.500 s; 3 more times" in caplog.messages[-1]


def test_only_the_latest_stay_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for n in range(FILES):
        (tmp_path / f"loopwatch-trace-20200101T0000{n:02d}-7.json").write_text("{}")
    (tmp_path / "notes.json").write_text("{}")
    writing = Writing(tmp_path)
    writing.files.stalled(STALL)
    writing.ended()
    assert len(names(tmp_path)) == FILES + 1
    assert "loopwatch-trace-20200101T000000-7.json" not in names(tmp_path)
    assert "loopwatch-trace-20200101T000001-7.json" in names(tmp_path)
    assert "notes.json" in names(tmp_path)


def test_a_folder_that_is_gone_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writing = Writing(tmp_path / "gone")
    writing.files.stalled(STALL)
    writing.ended()
    assert "error inside loopwatch" in caplog.text


def test_whoever_stops_waits_for_a_trace_under_way_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_files, "FAREWELL", 0.05)
    writing = Writing(tmp_path)
    writing.told.hold.clear()
    writing.files.stalled(STALL)
    began = time.monotonic()
    writing.files.stop(writing.told)
    assert time.monotonic() - began < 10.0
    writing.told.hold.set()
    writing.ended()


def longest(folder: Path) -> float:
    """Return the length, µs, of the longest slice in the traces of a folder."""
    texts = [path.read_text() for path in folder.glob("loopwatch-trace-*.json")]
    events = [event for text in texts for event in json.loads(text)["traceEvents"]]
    return max((event["dur"] for event in events if event["ph"] == "X"), default=0.0)


def test_a_real_stall_is_in_the_file(
    tmp_path: Path, loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_files, "APART", 0.0)
    watch = make_watch(flight_recorder=tmp_path, slow_callback_duration=0.1)

    async def main() -> None:
        block_for(0.4)

    with watch:
        run_on(loop, main())
    deadline = time.monotonic() + 20
    while longest(tmp_path) < 400_000:
        assert time.monotonic() < deadline, names(tmp_path)
        time.sleep(0.02)
