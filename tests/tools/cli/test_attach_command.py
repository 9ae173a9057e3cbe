"""`loopwatch attach`: an unmodified server from outside, and what cannot be looked at."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopwatch.__main__ import main
from tests.conftest import LOOPS, clean_environment
from tests.ports import HOST, free_port
from tests.serving import Server, launch
from tests.tools.cli.running import command, environment

Complaint = Callable[..., str]

BLOCKS = ("/sleep", "/spin") * 4
LINES = {"/sleep": (11,), "/spin": (17, 18)}
ENOUGH = 6  # of the blocks: the machine may be busy, and then some are left out
FEW = 4  # of the durations: the same
TOLERANCE = 0.05  # s

has_py_spy = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("py-spy", path=str(Path(sys.executable).parent)),
    reason="py-spy is not installed",
)


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Complaint:
    """Return what runs the command, and returns the one line that it says."""
    monkeypatch.setattr("loopwatch.tools.attach.observer.FIRST", 0.0)

    def said(*arguments: str) -> str:
        assert main(["attach", *arguments]) == 2
        found = capsys.readouterr()
        assert found.out == ""
        [line] = found.err.splitlines()
        return line

    return said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("app",), "PID: must be the number of a process, got 'app'"),
        (("0",), "PID: must be the number of a process, got '0'"),
        (("1", "--fail-on", "p99>0.2"), "must be of stall, stalls and utilization"),
        (("1", "--fail-on", "nonsense"), "--fail-on must be NAME>NUMBER"),
        (("1", "--slow-callback-duration", "0.01"), "must be at least 0.08 from outside"),
        (("1", "--json", "/nowhere/report.json"), "there is no directory /nowhere"),
        (("1", "--duration", "0"), "must be a number of seconds above 0"),
        (("2147483647",), "must be a running process, got 2147483647 and there is none"),
    ],
)
def test_bad_input_is_one_clear_line(
    complaint: Complaint, arguments: tuple[str, ...], words: str
) -> None:
    assert words in complaint(*arguments)


@pytest.mark.slow
@has_py_spy
def test_a_process_without_a_loop_is_refused(complaint: Complaint) -> None:
    program = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], env=clean_environment()) as process:
        time.sleep(0.5)  # it has begun
        try:
            assert "must be a process with an asyncio loop" in complaint(
                str(process.pid), "--outside"
            )
        finally:
            process.kill()
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert "must be a Python process" in complaint(str(process.pid), "--outside")
        finally:
            process.kill()


@pytest.fixture(params=LOOPS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Server, int]]:
    """Serve with uvicorn; yield the server and the process to attach to."""
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "tests.apps.attached:app", "--host", HOST]
    options = ["--port", str(port), "--loop", request.param, "--log-level", "warning"]
    with launch([*words, *options], port) as running:
        yield running, running.process


@pytest.mark.slow
@has_py_spy
def test_blocks_of_an_unmodified_server_are_named(
    server: tuple[Server, int], tmp_path: Path
) -> None:
    running, pid = server
    held = attached(running, pid, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    stalls = report["stalls"]
    right = [
        (stall, took)
        for path, began, took in held
        for stall in stalls
        if began - 0.2 <= report["started_at"] + stall["at"] <= began + 0.4
        and stall["site"] == f"tests.apps.attached.{path[1:]}"
        and stall["line"] in LINES[path]
    ]
    assert len(right) >= ENOUGH, stalls
    close = [abs(stall["duration"] - took) < TOLERANCE for stall, took in right]
    assert sum(close) >= FEW, right
    assert report["verdict"]["kind"] in ("blocked", "starved")
    assert report["target"]["outside"]
    assert report["target"]["url"] == f"process {pid}"
    assert report["target"]["loop"] in LOOPS
    assert report["routes"] == []
    assert any("routes" in note for note in report["notes"])
    assert "Requests cannot be seen from outside." in (tmp_path / "report.html").read_text()
    assert running.get("/").text == "0.0"


def attached(running: Server, pid: int, folder: Path) -> list[tuple[str, float, float]]:
    """Block while the command looks; return path, start and duration of each block."""
    arguments = ["attach", str(pid), "--outside", "--fail-on", "stall>0.3"]
    files = [f"--json={folder}/report.json", f"--html={folder}/report.html"]
    process = subprocess.Popen(
        command(*arguments, *files),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "from outside" in process.stderr.readline()
    held = []
    for path in BLOCKS:
        time.sleep(0.15)
        began = time.time()
        held.append((path, began, float(running.get(path).text)))
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    said, rest = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "failed on stall>0.3" in rest
    assert f"process {pid} on " in said
    assert "attached.py:" in said
    return held
