"""Byte for byte: the same requests to the same app, with loopwatch and without, on raw sockets."""

import base64
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from .ports import HOST
from .serving import Server, serve

pytestmark = pytest.mark.slow
END = b"host: test\r\nconnection: close\r\n\r\n"
UPGRADE = (
    b"host: test\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-protocol: chat\r\nsec-websocket-key: " + base64.b64encode(b"k" * 16)
) + b"\r\n\r\n"

CALLS = {
    "plain": b"GET /hello?a=1 HTTP/1.1\r\n" + END,
    "old": b"GET /hello HTTP/1.0\r\n\r\n",
    "pipelined": b"GET /hello HTTP/1.1\r\nhost: test\r\n\r\n" * 3
    + b"GET /hello HTTP/1.1\r\n"
    + END,
    "head": b"HEAD /hello HTTP/1.1\r\n" + END,
    "wrong method": b"POST /hello HTTP/1.1\r\ncontent-length: 0\r\n" + END,
    "not found": b"GET /nowhere HTTP/1.1\r\n" + END,
    "body": b"POST /echo HTTP/1.1\r\ncontent-length: 5\r\n" + END + b"12345",
    "chunked body": b"POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n"
    + END
    + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    "http error": b"GET /teapot HTTP/1.1\r\n" + END,
    "raises": b"GET /raises HTTP/1.1\r\n" + END,
    "raises later": b"GET /raises_later HTTP/1.1\r\n" + END,
    "stream": b"GET /stream HTTP/1.1\r\n" + END,
    "breaks in mid-stream": b"GET /breaks HTTP/1.1\r\n" + END,
    "blocks": b"GET /blocks HTTP/1.1\r\n" + END,
    "cut short": b"GET /raw/short HTTP/1.1\r\n" + END,
    "no answer": b"GET /raw/none HTTP/1.1\r\n" + END,
    "started twice": b"GET /raw/twice HTTP/1.1\r\n" + END,
    "refused socket": b"GET /refused HTTP/1.1\r\n" + UPGRADE,
    "malformed": b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
}


def frame(message: str, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, message.encode()).serialize(mask=False, extensions=[])


def masked(message: str, opcode: Opcode = Opcode.TEXT) -> bytes:
    """Return a client's frame, under a mask of zeros so that it is the same each time."""
    plain = frame(message, opcode)
    return bytes((plain[0], plain[1] | 0x80)) + b"\0" * 4 + plain[2:]


SOCKETS = {"closed by app": ("hi", "bye"), "raises": ("hi", "raise")}


@pytest.fixture(scope="module")
def both(loop: str) -> Iterator[tuple[Server, Server]]:
    """The app bare, and the app watched with a broken instrument."""
    with ExitStack() as stack:
        bare = stack.enter_context(serve("plain:app", loop, BARE="1"))
        yield bare, stack.enter_context(serve("plain:app", loop))


def dateless(answer: bytes) -> bytes:
    return re.sub(rb"date: [^\r]+", b"date: -", answer)


@pytest.mark.parametrize("name", CALLS)
def test_answers_are_the_same_bytes(both: tuple[Server, Server], name: str) -> None:
    bare, watched = (dateless(server.talk(CALLS[name])) for server in both)
    assert bare == watched
    assert bare.startswith(b"HTTP/1.1 ") or name == "no answer"


@pytest.mark.parametrize("name", SOCKETS)
def test_websockets_are_the_same_bytes(both: tuple[Server, Server], name: str) -> None:
    bare, watched = (dateless(converse(server, SOCKETS[name])) for server in both)
    assert bare == watched
    assert bare.startswith(b"HTTP/1.1 101 ")
    assert frame("HI") in bare


def converse(server: Server, messages: tuple[str, ...]) -> bytes:
    """Send messages over a new websocket and close it; return all that came back."""
    with socket.create_connection((HOST, server.port), timeout=10) as connection:
        connection.sendall(b"GET /socket HTTP/1.1\r\n" + UPGRADE)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(1)
        for message in messages:
            connection.sendall(masked(message))
        time.sleep(0.1)
        connection.sendall(masked("", Opcode.CLOSE))
        while part := connection.recv(65536):
            answer += part
        return answer


LEAVING: dict[str, tuple[Any, str]] = {
    "stream": (b"GET /forever HTTP/1.1\r\nhost: test\r\n\r\n", "stream ended"),
    "poll": (b"GET /poll HTTP/1.1\r\nhost: test\r\n\r\n", "gone"),
    "upload": (
        b"POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf",
        "client disconnect",
    ),
    "socket": ((b"GET /socket HTTP/1.1\r\n" + UPGRADE, masked("hi")), "socket left"),
}


@pytest.mark.parametrize("name", LEAVING)
def test_app_meets_the_same_when_the_client_leaves(both: tuple[Server, Server], name: str) -> None:
    """Cancellation and disconnect reach the app as they would without loopwatch."""
    request, last = LEAVING[name]
    bare, watched = (leave(server, request, last) for server in both)
    assert bare == watched


def leave(server: Server, request: Any, last: str) -> list[str]:
    """Go away in the middle of a request, and return what the app met."""
    before = len(server.read("seen"))
    with socket.create_connection((HOST, server.port), timeout=10) as connection:
        for part in request if isinstance(request, tuple) else (request,):
            connection.sendall(part)
            time.sleep(0.1)
    deadline = time.monotonic() + 10
    while last not in (seen := list(server.read("seen"))[before:]):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    time.sleep(0.05)
    return list(server.read("seen"))[before:]


def test_the_watched_app_was_watched(both: tuple[Server, Server]) -> None:
    """And it is in the same shape as the bare one after all that: nothing left in flight."""
    _, watched = both
    assert watched.get("/blocks").text == "late"
    snapshot = watched.read("snapshot")
    counted = {(r["route"], r["method"]) for r in snapshot["requests"]}
    assert {("/hello", "GET"), ("/echo", "POST"), ("/raises", "GET")} <= counted
    assert snapshot["dropped"]["instruments"] == 1
    assert snapshot["stall_count"] >= 1
