"""Requests sent at known moments into a block: how long each was in the kernel.

The app tells when it began a request and the client knows when it sent it, by one clock. The
kernel's own is two of its ticks off at most, but where a busy host keeps a virtual machine from
turning it over it jumps now and then, so most have to be that near, and none far off.
"""

import shutil
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.calm import in_calm
from tests.loop.client import GET, JUMP, Client, connected, sleep_until
from tests.serving import Server, serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's TCP_INFO tells")

TICKS = 0.008  # s: two of the kernel's, at 250 Hz
BLOCK = 0.5  # s
MOMENTS = (0.1, 0.2, 0.3, 0.45)  # s into it
UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
)


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(loop: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    kind = {"UVICORN_HTTP": request.param, "UVICORN_WS": "websockets-sansio"}
    with serve("arrivals:app", loop, UVICORN_LIFESPAN="off", **kind) as server:
        yield server


@pytest.mark.slow
@in_calm
def test_queued_is_the_time_from_sent_to_seen(server: Server) -> None:
    """On connections kept alive, on new ones, and for a WebSocket's handshake."""
    with ExitStack() as stack:
        blocker, *kept = (stack.enter_context(connected(server)) for _ in (0, *MOMENTS))
        for client in kept:
            client.get()
            client.wait()
        blocker.block(BLOCK)
        waiting: list[Client] = []
        for client, moment in zip(kept, MOMENTS, strict=True):
            sleep_until(blocker.sent + moment)
            new, socket_client = (stack.enter_context(connected(server)) for _ in range(2))
            client.get()
            new.get()
            socket_client.send(UPGRADE)
            waiting += [client, new, socket_client]
        answers = [client.wait() for client in waiting]
        assert statistics.median(error for _, error in answers) < TICKS
        assert min(queued for queued, _ in answers[:3]) > BLOCK / 2


@pytest.mark.slow
@in_calm
def test_the_second_in_a_pipeline_is_not_known(server: Server) -> None:
    """It waited for the first, whether it was sent with that or while that ran."""
    with connected(server) as client:
        client.send(GET % b"block?0.1" + GET % b"")
        client.wait()
        assert client.read().queued is None
        client.block(0.1)
        time.sleep(0.05)
        client.get()
        assert client.read().queued is not None
        assert client.read().queued is None


@pytest.mark.slow
@in_calm
def test_connection_is_right_again_after_a_pipeline(server: Server) -> None:
    with connected(server) as blocker, connected(server) as client:
        client.send(GET % b"block?0.05" + GET % b"")
        client.read()
        client.read()
        blocker.block(0.2)
        time.sleep(0.05)
        client.get()
        assert client.wait()[0] > 0.1


@pytest.mark.slow
@in_calm
def test_body_still_arriving_makes_it_the_age_of_the_last_part(server: Server) -> None:
    with connected(server) as blocker, connected(server) as client:
        blocker.block(0.3)
        time.sleep(0.05)
        client.send(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 6\r\n\r\none")
        time.sleep(0.1)
        client.send(b"two")
        assert client.wait()[0] > 0.1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate that it has signed itself."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the program openssl for a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    key, own = folder / "key.pem", folder / "own.pem"
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1"]
    subject = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(own)]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    return key, own


@pytest.mark.slow
@in_calm
def test_tls_is_right_or_not_known(loop: str, certificate: tuple[Path, Path]) -> None:
    """Also where the handshake itself had to wait: the request came after it."""
    key, own = (str(path) for path in certificate)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    files = {"UVICORN_SSL_KEYFILE": key, "UVICORN_SSL_CERTFILE": own}
    with (
        serve("arrivals:app", loop, UVICORN_LIFESPAN="off", **files) as server,
        connected(server, context) as blocker,
        connected(server, context) as kept,
    ):
        kept.get()
        kept.read()
        blocker.block(0.3)
        time.sleep(0.1)
        kept.get()
        with connected(server, context) as new:
            new.get()
            answer = new.read()
            assert answer.queued is None or answer.queued < answer.began - new.sent + JUMP
        assert kept.wait()[0] > 0.1
