"""The probe that `sys.remote_exec` begins, and its other end, in one process."""

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.tools.attach import inside_session
from loopwatch.tools.attach.inside_guest import begin
from loopwatch.tools.attach.inside_session import InsideError, InsideSession
from loopwatch.tools.attach.process_tree import ProcessTree
from loopwatch.watch.watched_loop import LOOPS
from tests.conftest import block_for, private_watch, run_on, until


def asked(folder: Path) -> tuple[socket.socket, Any]:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(folder / "socket"))
    return connection, connection.makefile("rwb")


def snapshot(stream: Any) -> Any:
    stream.write(b"snapshot\n")
    stream.flush()
    return json.loads(stream.readline())


def test_it_counts_until_the_other_end_closes(loop: str, tmp_path: Path) -> None:
    async def main() -> Any:
        running = asyncio.get_running_loop()
        begin(str(tmp_path), 0.1)
        connection, stream = await asyncio.to_thread(asked, tmp_path)
        await asyncio.sleep(0)
        block_for(0.3)
        await asyncio.sleep(0.05)
        found = await asyncio.to_thread(snapshot, stream)
        stream.close()
        connection.close()

        def is_free() -> bool:
            other = private_watch()
            try:
                other.start()
            except RuntimeError:
                return False
            other.stop()
            return True

        await until(is_free, patience=30.0)
        assert running.is_running()
        return found

    found = run_on(loop, main())
    assert any(stall["duration"] >= 0.3 for stall in found["stalls"])
    assert [one["loop"] for one in found["loops"]] == [loop]


def test_it_refuses_without_a_loop_and_beside_another_watch(tmp_path: Path) -> None:
    begin(str(tmp_path), 0.1)
    assert "no running event loop" in (tmp_path / "refused").read_text()

    async def main() -> None:
        with Watch(registry=None, log=False, otel=False):
            begin(str(tmp_path), 0.1)

    asyncio.run(main())
    assert "watched by another Watch" in (tmp_path / "refused").read_text()
    assert not (tmp_path / "socket").exists()


def test_a_loop_is_not_watched_if_nobody_can_ask(tmp_path: Path) -> None:
    async def main() -> None:
        begin(str(tmp_path / ("long" * 30)), 0.1)
        assert not LOOPS

    asyncio.run(main())


def test_the_script_begins_it_on_the_running_loop(loop: str, tmp_path: Path) -> None:
    script = inside_session.SCRIPT.format(folder=str(tmp_path), threshold=0.1)

    async def main() -> Any:
        names: dict[str, Any] = {}
        exec(compile(script, "begin.py", "exec"), names)
        assert not [name for name in names if "loopwatch" in name]
        await until((tmp_path / "socket").exists, patience=30.0)
        connection, stream = await asyncio.to_thread(asked, tmp_path)
        with connection, stream:
            return await asyncio.to_thread(snapshot, stream)

    assert [one["loop"] for one in run_on(loop, main())["loops"]] == [loop]
    assert not (tmp_path / "refused").exists()


class Everywhere(ProcessTree):
    def shares_files(self, pid: int) -> bool:
        return True


def test_a_session_says_why_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(sys, "remote_exec", raising=False)
    with pytest.raises(InsideError, match=r"Python 3\.14"):
        InsideSession(1, 0.1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(inside_session, "PATIENCE", 0.2)
    ran: list[str] = []
    monkeypatch.setattr(sys, "remote_exec", lambda pid, path: ran.append(path), raising=False)
    with pytest.raises(InsideError, match="has run no Python code"):
        InsideSession(1, 0.1, Everywhere())
    assert Path(ran[0]).read_text() == ""  # run later, it does nothing

    def run(pid: int, path: str) -> None:
        exec(compile(Path(path).read_text(), path, "exec"), {})

    monkeypatch.setattr(sys, "remote_exec", run)
    with pytest.raises(InsideError, match="no running event loop"):
        InsideSession(1, 0.1, Everywhere())

    def fail(pid: int, path: str) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(sys, "remote_exec", fail)
    with pytest.raises(InsideError, match="Operation not permitted"):
        InsideSession(1, 0.1, Everywhere())
    assert len([*tmp_path.iterdir()]) == 1  # of the one that may still be run
