"""Room for the files of many processes: no holes, and a full disk is an error, not the end."""

import errno
import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from loopwatch.exporters.disk_room import try_out
from loopwatch.exporters.multiprocess import Sharing

from .shared_folder import Fake
from .shared_folder import folder as folder


def test_files_have_no_holes(folder: Path) -> None:
    """A write into a hole ends the process where the disk is full."""
    source = Fake()
    sharing = Sharing(source)
    for number in range(200):
        source.label(f"label-{number}")
        sharing.flush()
    sizes = {path.name: path.stat() for path in folder.glob("*.db")}
    assert max(s.st_size for s in sizes.values()) >= 1 << 18
    assert {name for name, s in sizes.items() if s.st_blocks * 512 < s.st_size} == set()
    assert [*folder.iterdir()] == [*folder.glob("*.db")]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(number, os.strerror(number))

    source = Fake()
    sharing = Sharing(source)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "posix_fallocate", full)
        for _ in range(3):
            sharing.flush()
    assert [*folder.iterdir()] == []
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    assert os.strerror(number) in caplog.records[0].message
    sharing.flush()
    assert len([*folder.glob("*.db")]) >= 2


@pytest.mark.parametrize(("free", "fails"), [(0, True), (1 << 30, False)])
def test_where_nothing_can_be_allocated_free_space_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fails: bool
) -> None:
    def cannot(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "")

    monkeypatch.setattr(os, "posix_fallocate", cannot)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))
    with pytest.raises(OSError, match="No space") if fails else nullcontext():
        try_out(str(tmp_path), 1 << 16)
    assert [*tmp_path.iterdir()] == []
