"""A server that is hostile, or odd: an error in time, and nothing taken from elsewhere."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from loopwatch.tools.cli import download as module
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.json_text import DEEPEST, parsed
from loopwatch.tools.cli.remote import Remote
from tests.tools.cli.snapshots import saying, snapshot

Talk = Callable[[socket.socket], None]
PATIENCE = 0.5  # s


@contextmanager
def talking(talk: Talk) -> Iterator[str]:
    """Serve each connection by `talk`, on a thread; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                try:
                    client.recv(65536)
                    talk(client)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


def complaint(talk: Talk) -> str:
    """Return the one error, which came in time."""
    with talking(talk) as url:
        began = time.monotonic()
        with pytest.raises(CommandError) as raised:
            Remote(url, PATIENCE).snapshot()
        assert time.monotonic() - began < 5
    return str(raised.value)


def sending(*parts: bytes) -> Talk:
    return lambda client: client.sendall(b"".join(parts))


def dripping(begin: bytes, drop: bytes) -> Talk:
    def drip(client: socket.socket) -> None:
        client.sendall(begin)
        client.settimeout(0.02)
        while True:
            client.sendall(drop)
            try:
                if not client.recv(1):
                    return
            except TimeoutError:
                continue

    return drip


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b""),
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    ],
)
def test_there_is_a_deadline_for_the_whole_answer(begin: bytes, drop: bytes) -> None:
    assert "must answer within 0.5 s, and does not" in complaint(dripping(begin, drop))


def test_an_answer_has_a_greatest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 2 << 20)

    def endless(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            client.sendall(b" " * 65536)

    assert "answers more than 2 MiB" in complaint(endless)


@pytest.mark.parametrize(
    "where",
    ["http://127.0.0.1:1/x", "http://localhost/", "https://127.0.0.1/", "file:///etc/passwd"],
)
def test_no_other_host_is_asked(where: str) -> None:
    reply = f"HTTP/1.1 302 Found\r\nlocation: {where}\r\ncontent-length: 0\r\n\r\n"
    assert f"redirects to {where}, which is another host" in complaint(sending(reply.encode()))


def test_a_redirect_on_the_same_host_is_followed_a_few_times() -> None:
    reply = b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"
    assert "redirects again and again" in complaint(sending(reply))
    body = json.dumps(snapshot()).encode()
    answers = [reply, b"HTTP/1.1 200 OK\r\n\r\n" + body]
    with talking(lambda client: client.sendall(answers.pop(0))) as url:
        assert Remote(url).snapshot() == snapshot()


BUSY = b"HTTP/1.1 503 Busy\r\nretry-after: %s\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("later", [b"0", b"1", b"", b"-1", b"soon", b"9" * 5000, "\xb2".encode()])
def test_a_busy_page_is_asked_again(later: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATEST", 0.1)
    answers = [
        BUSY % later,
        BUSY % later,
        b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(snapshot()).encode(),
    ]
    with talking(lambda client: client.sendall(answers.pop(0))) as url:
        remote = Remote(url)
        assert remote.snapshot() == snapshot()
    assert (answers, remote.is_busy) == ([], False)


def test_a_page_that_stays_busy_is_said_to_be() -> None:
    """It is no page that is not there, and no other server's."""
    said = complaint(sending(BUSY % b"0"))
    assert "must answer within 0.5 s, and is busy (it answers 503)" in said
    assert "give the address" not in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "must answer, and does not"),
        (b"\x00\xff" * 1000, "must answer, and does not"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000, "must answer, and does not"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "the answer ended too early"),
        (b"HTTP/1.1 500 Oh\r\n\r\n", "answers 500"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://a:b/\r\n\r\n", "redirects to what is no address"),
        (b"HTTP/1.1 200 OK\r\n\r\n\xff", "is no JSON that can be used"),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", "is not from loopwatch"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000, "at most 32 deep"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b'{"a":' * 100_000, "at most 32 deep"),
    ],
)
def test_what_is_no_answer_is_one_clear_error(answer: bytes, words: str) -> None:
    said = complaint(sending(answer))
    assert words in said
    assert "give the address of a live page" in said


def test_a_query_is_sent() -> None:
    with saying(snapshot()) as server, pytest.raises(CommandError, match=r"x\?since=1 answers 404"):
        Remote(f"http://127.0.0.1:{server.server_port}").read("x?since=1")


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "-Infinity", "1e999", "1e16", "-" + "9" * 17, "9" * 5000),
        *("", "{", "[" * 5000 + "]" * 5000, "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1)),
    ],
)
def test_json_that_cannot_be_used(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)


def test_json_that_can() -> None:
    deep: Any = parsed("[" * DEEPEST + "]" * DEEPEST)
    assert deep is not None
    told = {"a": [1, -2.5, "ü", None, True], "b\\": {"c": "\U0001f680"}}
    assert parsed(json.dumps(told)) == parsed(json.dumps(told).encode()) == told
    assert parsed(r'{"\udce9": ["\ud83d\ude80", "a\ud800"]}') == {
        "\\udce9": ["\U0001f680", "a\\ud800"]
    }
