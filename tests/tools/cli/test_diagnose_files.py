"""Where a report goes: a file is replaced whole, what is no file is written to."""

import os
import subprocess
import sys
from pathlib import Path

from loopwatch.tools.cli.diagnose_command import json_text, put
from tests.tools.cli.running import command, environment
from tests.tools.diagnose.made import report

PUT = """
from pathlib import Path
from loopwatch.tools.cli.diagnose_command import put
put(Path("/dev/stdout"), b"{}")
"""


def test_a_report_replaces_the_one_before_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("the one before, and longer")
    put(path, b"{}")
    assert path.read_text() == "{}"
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_planted_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious, path = tmp_path / "precious", tmp_path / "report.json"
    precious.write_text("mine")
    path.symlink_to(precious)
    put(path, b"{}")
    assert (precious.read_text(), path.read_text()) == ("mine", "{}")
    assert not path.is_symlink()


def test_a_link_to_where_output_goes_is_written_to() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PUT],
        env=environment(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == b"{}"


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
