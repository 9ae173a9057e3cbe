"""TCP_INFO by the addresses of a connection: right or absent, and never in the way."""

import asyncio
import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from loopwatch.loop import socket_diagnosis
from loopwatch.loop.arrival import age_in, queued
from loopwatch.loop.socket_diagnosis import MISSES, SocketDiagnosis, end, ends
from tests.conftest import MakeWatch, run_script
from tests.forking import fork
from tests.ports import HOST

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked")

AGO = 0.2  # s
NEAR = 0.06  # s


@contextmanager
def connection(
    host: str = HOST, listening: str | None = None
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a TCP connection."""
    family = socket.AF_INET6 if ":" in (listening or host) else socket.AF_INET
    dual = family == socket.AF_INET6
    try:
        listener = socket.create_server(
            (listening or host, 0), family=family, dualstack_ipv6=dual and listening is not None
        )
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with (
        listener,
        socket.create_connection((host, listener.getsockname()[1])) as client,
        listener.accept()[0] as served,
    ):
        yield client, served


@pytest.fixture
def diagnosis() -> Iterator[SocketDiagnosis]:
    made = SocketDiagnosis()
    yield made
    made.close()


def age(diagnosis: SocketDiagnosis, server: Any, client: Any) -> float | None:
    info = diagnosis.info(server, client)
    return None if info is None else age_in(info)


@pytest.mark.parametrize(
    ("host", "listening"), [(HOST, None), ("::1", None), ("::1", "::"), (HOST, "::"), (HOST, "")]
)
def test_age_is_that_of_the_data(
    diagnosis: SocketDiagnosis, host: str, listening: str | None
) -> None:
    """For both families, and IPv4 over a socket of IPv6, however the addresses are written."""
    with connection(host, listening) as (client, served):
        client.send(b"request")
        time.sleep(AGO)
        server, peer = served.getsockname()[:2], served.getpeername()[:2]
        found = age(diagnosis, server, peer)
        assert found == pytest.approx(AGO, abs=NEAR)
        written = (server[0], str(server[1])), [peer[0], str(peer[1])]
        assert age(diagnosis, *written) is not None
        for anywhere in (None, "", "0.0.0.0", "::"):
            assert age(diagnosis, (anywhere, server[1]), peer) is not None


def test_client_that_has_sent_all_it_wants_is_known(diagnosis: SocketDiagnosis) -> None:
    with connection() as (client, served):
        client.send(b"request")
        client.shutdown(socket.SHUT_WR)
        assert age(diagnosis, served.getsockname(), served.getpeername()) is not None


def test_listening_socket_is_not_taken_for_a_connection(diagnosis: SocketDiagnosis) -> None:
    """The kernel answers with it where no connection matches."""
    with connection() as (client, served):
        host, port = served.getpeername()
        client.send(b"request")
        assert diagnosis.info(served.getsockname(), (host, port % 65535 + 1)) is None
        served.close()
        client.close()
        assert diagnosis.info(("127.0.0.1", 1), (host, port)) is None


def test_answered_since_is_not_known(diagnosis: SocketDiagnosis) -> None:
    with connection() as (client, served):
        client.send(b"one")
        time.sleep(0.05)
        served.send(b"answer")
        assert age(diagnosis, served.getsockname(), served.getpeername()) is None


@pytest.mark.parametrize(
    ("server", "client"),
    [
        (None, None),
        (("/run/app.sock", None), None),
        (("/run/app.sock", None), ("", 0)),
        (("localhost", 80), ("testclient", 50000)),
        ((HOST, 80), (HOST, None)),
        ((HOST, 80), (HOST, "http")),
        ((HOST, 80), (HOST, 70000)),
        ((HOST, 80), ("::1", 80)),
        ((HOST, 80), (b"127.0.0.1", 80)),
        ("", ""),
        ((HOST, -1), (HOST, 1)),
    ],
)
def test_no_addresses_are_no_error(server: Any, client: Any) -> None:
    scope = {"type": "http", "server": server, "client": client}
    assert queued(scope, print) is None


def test_addresses_are_read_as_servers_write_them() -> None:
    assert end("::ffff:10.1.2.3", "80") == end("10.1.2.3", 80)
    assert end("fe80::1%eth0", 1) == end("fe80::1", 1)
    near, far = ends(("0.0.0.0", 1), (HOST, 2))
    assert near == end(HOST, 1)
    assert far == end(HOST, 2)


def test_wrapped_receive_is_found_by_its_addresses() -> None:
    async def receive() -> Any:
        raise AssertionError("nobody asked for it")

    with connection() as (client, served):
        client.send(b"request")
        time.sleep(AGO)
        scope = {"type": "http", "server": served.getsockname(), "client": served.getpeername()}
        assert queued(scope, receive) == pytest.approx(AGO, abs=NEAR)
        assert queued({**scope, "http_version": "2"}, receive) is None


def test_refusal_is_said_once(
    diagnosis: SocketDiagnosis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def refuse() -> Any:
        asked.append(1)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(socket_diagnosis, "opened", refuse)
    caplog.set_level("INFO", "loopwatch")
    assert diagnosis.blind == ()
    for _ in range(3):
        assert diagnosis.info((HOST, 1), (HOST, 2)) is None
    assert len(asked) == len(caplog.records) == 1
    assert "Operation not permitted" in " ".join(diagnosis.blind)


def test_it_rests_after_many_misses(
    diagnosis: SocketDiagnosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's addresses in the scope match no connection: asking on would only cost time."""
    now = 1000.0
    monkeypatch.setattr("loopwatch.loop.socket_diagnosis.time.monotonic", lambda: now)
    with connection() as (client, served):
        pair = served.getsockname(), served.getpeername()
        client.send(b"request")
        for _ in range(MISSES - 1):
            assert diagnosis.info((HOST, 1), (HOST, 2)) is None
        assert diagnosis.info(*pair) is not None  # begins the count anew
        for _ in range(MISSES):
            assert diagnosis.info((HOST, 1), (HOST, 2)) is None
        assert diagnosis.info(*pair) is None
        now += socket_diagnosis.PAUSE
        assert diagnosis.info(*pair) is not None


def test_there_is_one_socket_and_none_after_close(diagnosis: SocketDiagnosis) -> None:
    before = open_files()
    for _ in range(3):
        diagnosis.info((HOST, 1), (HOST, 2))
    assert len(open_files() - before) == 1
    diagnosis.close()
    assert open_files() == before
    diagnosis.info((HOST, 1), (HOST, 2))
    assert len(open_files() - before) == 1


def test_nothing_waits_for_a_question_under_way(diagnosis: SocketDiagnosis) -> None:
    """A collection or a signal may begin in the middle of one."""
    diagnosis.info((HOST, 1), (HOST, 2))
    with diagnosis._lock:
        assert diagnosis.info((HOST, 1), (HOST, 2)) is None
        diagnosis.close()
    assert diagnosis._socket is not None


def test_last_watch_that_stops_closes_the_socket(make_watch: MakeWatch) -> None:
    async def main() -> None:
        watch = make_watch()
        watch.start()
        socket_diagnosis.DIAGNOSIS.info((HOST, 1), (HOST, 2))
        assert socket_diagnosis.DIAGNOSIS._socket is not None
        watch.stop()
        assert socket_diagnosis.DIAGNOSIS._socket is None

    asyncio.run(main())


def open_files() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the list itself
            continue
    return found


def test_answers_are_not_mixed_up_between_threads(diagnosis: SocketDiagnosis) -> None:
    """One at a time: a thread that would have to wait knows nothing."""
    wrong: list[float] = []

    def ask(pair: tuple[Any, Any], least: float, most: float) -> None:
        for _ in range(300):
            found = age(diagnosis, *pair)
            if found is not None and not least <= found <= most:
                wrong.append(found)

    with connection() as (old, old_served), connection() as (new, new_served):
        old.send(b"request")
        time.sleep(0.7)
        new.send(b"request")
        pairs = [(s.getsockname(), s.getpeername()) for s in (old_served, new_served)]
        began = time.monotonic()
        asking = [
            threading.Thread(target=ask, args=(pairs[0], 0.6, 60.0)),
            threading.Thread(target=ask, args=(pairs[1], 0.0, 0.6)),
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        if time.monotonic() - began < 0.5:
            assert wrong == []
    assert age(diagnosis, *pairs[0]) is None


def test_forked_child_has_a_socket_of_its_own(diagnosis: SocketDiagnosis) -> None:
    with connection() as (client, served):
        pair = served.getsockname(), served.getpeername()
        client.send(b"request")
        assert diagnosis.info(*pair) is not None
        ours = diagnosis._socket
        assert ours is not None

        def child() -> None:
            assert diagnosis._socket is None
            assert ours.fileno() == -1
            assert diagnosis.info(*pair) is not None

        assert os.waitstatus_to_exitcode(os.waitpid(fork(child), 0)[1]) == 0
        assert diagnosis._socket is ours
        assert diagnosis.info(*pair) is not None


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs another user")
def test_it_needs_no_privileges() -> None:
    printed = run_script("""
        import encodings.idna, os, socket
        from loopwatch.loop.socket_diagnosis import DIAGNOSIS
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            served = listener.accept()[0]
            client.send(b"request")
            print(DIAGNOSIS.info(served.getsockname(), served.getpeername()) is not None)
            client.close()
            served.close()
        DIAGNOSIS.close()
    """)
    assert printed == "True\n"
