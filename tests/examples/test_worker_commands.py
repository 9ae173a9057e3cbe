"""`loopwatch run --` in front of a worker's own command: its summary names the job and the line."""

import importlib.util
import os
import re
from pathlib import Path

import pytest

from ..conftest import CHECKOUT
from ..ports import free_port
from .recipe import started

WORKERS = CHECKOUT / "tests" / "examples" / "workers"
COMMANDS = {
    "arq_jobs": ("arq", "tests.examples.workers.arq_jobs.WorkerSettings"),
    "taskiq_jobs": ("taskiq", "worker", "tests.examples.workers.taskiq_jobs:broker", "-w", "1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_workers_own_command_is_watched(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(COMMANDS[name][0]) is None:
        assert not os.environ.get("CI")
        pytest.skip(f"{COMMANDS[name][0]} is not installed")
    source = (WORKERS / f"{name}.py").read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(source, 1) if "time.sleep" in text)
    site = rf"tests\.examples\.workers\.{name}\.write_report \((near )?{name}\.py:{line}\)"
    summary = rf"in 1 stall: outside any request, {site}: time\.sleep\(0\.6\)"
    words = ["loopwatch", "run", "--slow-callback-duration", "0.4", "--", *COMMANDS[name]]
    with started(words, tmp_path, free_port()) as running:
        running.wait_for(lambda: re.search(summary, running.output()) is not None)
