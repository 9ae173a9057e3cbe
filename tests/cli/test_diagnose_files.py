"""Where a report goes: a file is replaced whole, what is no file is written to."""

import os
from pathlib import Path

from loopwatch.cli.diagnose import put


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
