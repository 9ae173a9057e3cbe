"""As OpenTelemetry's instrumentor: stall spans of every worker, with no change to the app."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.ports import free_port
from tests.startup.programs import APP, PATIENCE, hit_both_workers, run, started

pytest.importorskip("opentelemetry.instrumentation")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="a program is replaced on POSIX alone"),
]
ENTRY = """[opentelemetry_instrumentor]
loopwatch = loopwatch.startup.instrumentor:LoopWatchInstrumentor
"""
START = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"


def found_as_installed(folder: Path) -> str:
    """Return a folder that says of this checkout what an installed loopwatch says of itself."""
    told = folder / "this_loopwatch-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: this-loopwatch\nVersion: 1\n")
    (told / "entry_points.txt").write_text(ENTRY)
    return str(folder)


def test_both_workers_have_spans_of_stalls(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.distro")
    port, output = free_port(), tmp_path / "errors"
    served = ["uvicorn", APP, "--port", str(port), "--workers", "2", "--no-access-log"]
    words = [sys.executable, "-c", START, sys.executable, "-m", *served]
    exporters = {f"OTEL_{kind}_EXPORTER": "none" for kind in ("METRICS", "LOGS")}
    more = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "100", **exporters}
    others = os.environ.get("PYTHONPATH", "")
    paths = os.pathsep.join([found_as_installed(tmp_path), str(CHECKOUT), others])
    with started(words, output, **more, PYTHONPATH=paths) as process:
        hit_both_workers(port)
        time.sleep(3)  # a stall is told 1 s after it ended at the latest
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        told = process.stdout.read().decode()
        process.wait(PATIENCE)
    spans = [json.loads(text) for text in re.split(r"(?<=^})\n", told, flags=re.M) if text.strip()]
    stalls = [
        span
        for span in spans
        if span["name"] == "loopwatch.stall" and span["attributes"].get("http.route")
    ]
    assert {span["attributes"]["http.route"] for span in stalls} == {"/bad/{number}"}
    workers = {span["resource"]["attributes"]["service.instance.id"] for span in stalls}
    assert len(workers) == 2


def test_uninstrumented_it_has_put_back_what_was_there() -> None:
    code = """
import asyncio
from loopwatch.startup.instrumentor import LoopWatchInstrumentor as Instrumentor

def methods():
    return asyncio.Runner.run, asyncio.BaseEventLoop.run_forever

async def main():
    return len(LOOPS)

from loopwatch.watch.watched_loop import LOOPS
bare = methods()
for _ in range(2):
    Instrumentor().instrument()
    assert methods() != bare
    assert asyncio.run(main()) == 1
    Instrumentor().uninstrument()
    assert methods() == bare
    assert asyncio.run(main()) == 0
Instrumentor().instrument()
Instrumentor().uninstrument()
assert methods() == bare
"""
    done = run([sys.executable, "-c", code], PYTHONPATH=os.pathsep.join(sys.path))
    assert (done.returncode, done.stderr) == (0, "")
