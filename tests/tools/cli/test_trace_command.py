"""`loopwatch trace`: from a page or a process to a file; bad input is one line and exit code 2."""

import asyncio
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from loopwatch.__main__ import main
from loopwatch.startup.admin_port import AdminPort
from loopwatch.tools.attach.listening_ports import listening_ports
from loopwatch.tools.cli import trace_command
from tests.conftest import MakeWatch
from tests.exporters.trace_format import read
from tests.ports import free_port


@pytest.fixture
def port(make_watch: MakeWatch) -> Iterator[int]:
    """The admin port of a watch that has recorded a loop."""
    watch, found = make_watch(flight_recorder=True), list[int]()
    with watch:
        asyncio.run(asyncio.sleep(0.02))
        there = threading.Event()

        def say(text: str) -> None:
            if "live page" in text:
                found.append(int(text.partition("127.0.0.1:")[2].partition("/")[0]))
                there.set()

        served = AdminPort(watch, "127.0.0.1", free_port(), say)
        served.open()
        assert there.wait(20)
        yield found[0]
        served.close()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["trace", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    return line.removeprefix("loopwatch: ")


def test_a_live_pages_trace_is_written(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "trace.json"
    target.write_text("before")
    assert main(["trace", f"http://127.0.0.1:{port}", "-o", str(target), "--seconds", "5"]) == 0
    assert read(target.read_bytes()).track("asyncio loop")
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]
    said = capsys.readouterr()
    assert "of 1 loop; open it at https://ui.perfetto.dev" in said.out
    assert said.err == ""


@pytest.mark.skipif(not os.path.exists("/proc/self/net/tcp"), reason="needs Linux")
def test_a_processs_trace_is_written_by_its_admin_port(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ("127.0.0.1", port) in listening_ports(os.getpid())
    monkeypatch.setattr(trace_command, "first_port", lambda pid: port)
    assert main(["trace", str(os.getpid()), "-o", str(tmp_path / "t.json")]) == 0
    assert read((tmp_path / "t.json").read_bytes()).track("asyncio loop")


@pytest.mark.skipif(not os.path.exists("/proc/self/net/tcp"), reason="needs Linux")
def test_a_processs_own_ports_are_not_asked(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_command, "first_port", lambda pid: port + 1)
    monkeypatch.setattr(trace_command, "TRIES", 0)
    line = refused(capsys, str(os.getpid()), "-o", str(tmp_path / "t.json"))
    assert f"which has none from port {port + 1} on: run it with loopwatch run" in line
    assert not (tmp_path / "t.json").exists()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("shop", "must be the address of a live page, such as http://127.0.0.1:9464"),
        ("ftp://127.0.0.1", "URL must be an http:// or https:// address"),
        ("http://127.0.0.1:9/?x=1", "URL must be an http:// or https:// address"),
        ("http://127.0.0.1:1", "must answer, and does not"),
        ("999999999", "PID must be a running process, got 999999999"),
        ("0", "PID must be a running process, got 0"),
        ("-4", "or the number of a process, got '-4'"),
    ],
)
def test_where_there_is_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str, words: str
) -> None:
    assert words in refused(capsys, where, "-o", str(tmp_path / "t.json"))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "31", "soon"])
def test_seconds_that_are_none(capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    line = refused(capsys, "http://127.0.0.1:1", "-o", "t.json", f"--seconds={seconds}")
    assert "must be a number of seconds above 0, and 30 at most" in line


@pytest.mark.parametrize(
    ("output", "words"),
    [(".", "which is a folder"), ("missing/t.json", "in a folder that is there")],
)
def test_a_file_that_cannot_be_written_is_said_before_anybody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, words: str
) -> None:
    line = refused(capsys, "http://127.0.0.1:1", "-o", str(tmp_path / output))
    assert words in line


def test_a_watch_that_records_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(b'{"traceEvents":[],"otherData":{"loops":[]}}') as url:
        line = refused(capsys, url, "-o", str(tmp_path / "t.json"))
    assert "has recorded nothing" in line
    assert "flight_recorder=False" in line


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"traceEvents":1,"otherData":{"loops":[]}}',
        b'{"traceEvents":[],"otherData":{"loops":[1]}}',
        b'{"traceEvents":[],"otherData":{"loops":[{"since":"x","until":1}]}}',
        b"<html>",
    ],
)
def test_what_is_no_trace_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    with answering(body) as url:
        assert "must be a live page of loopwatch" in refused(
            capsys, url, "-o", str(tmp_path / "t.json")
        )
    assert [*tmp_path.iterdir()] == []


def test_whoever_waits_for_long_is_told_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_command, "SOON", 0.0)
    said = threading.Event()
    with trace_command.waiting("the trace"):
        said.wait(0.5)
    assert "loopwatch: waiting for the trace..." in capsys.readouterr().err


class answering:  # noqa: N801 - as a context manager
    """A server that answers everything with one body."""

    def __init__(self, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
