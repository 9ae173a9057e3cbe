"""Where a report goes: a file is replaced whole, what is no file is written to."""

import os
import subprocess
from pathlib import Path

from loopwatch.tools.cli.diagnose_command import json_text, put
from tests.tools.cli.running import command, environment
from tests.tools.diagnose.made import report


def test_a_report_replaces_the_one_before_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("the one before, and longer")
    put(path, b"{}")
    assert path.read_text() == "{}"
    assert os.listdir(tmp_path) == ["report.json"]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        put(pipe, b"{}")
        assert os.read(reader, 10) == b"{}"
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_file_is_written_though_nobody_reads_what_is_shown(tmp_path: Path) -> None:
    """As in a pipe to `head`: what was asked for as a file is not lost with it."""
    told, summary = tmp_path / "report.json", tmp_path / "summary.md"
    told.write_text(json_text(report()))
    options = ("--compare", str(told), str(told), "--markdown", str(summary))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        subprocess.run(
            command("diagnose", *options),
            env=environment(),
            stdout=writer,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert summary.read_text().startswith("#")
