"""A metrics port of each process: the first free one, on threads of its own, gone when told to."""

import errno
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from loopwatch.exporters import port as module
from loopwatch.exporters.port import MetricsPort
from tests.exporters.life import some_life

from ..calm import in_calm
from ..conftest import MakeWatch, private_watch, run_on, run_script
from ..ports import HOST, free_port
from ..serving import PATIENCE
from .shared_folder import COUNT
from .workers import UVICORN, workers

SAID = re.compile(r"metrics at http://127\.0\.0\.1:(\d+)/metrics")


def get(port: int, path: str = "/metrics", **headers: str) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        return client.get(f"http://{HOST}:{port}{path}", headers=headers)


def stalls(page: str, route: str) -> float:
    """Return how many stalls of a route a page of metrics tells of, whatever their causes."""
    lines = (line for line in page.splitlines() if line.startswith(COUNT))
    return sum(float(line.rpartition(" ")[2]) for line in lines if f'route="{route}"' in line)


def is_open(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until_said(caplog: pytest.LogCaptureFixture, count: int = 1) -> list[int]:
    """Return the ports that were opened, once there are so many."""
    deadline = time.monotonic() + 5
    while len(found := SAID.findall(caplog.text)) < count:
        assert time.monotonic() < deadline, caplog.text
        time.sleep(0.01)
    return [int(port) for port in found]


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "loopwatch"):
        yield


@in_calm
def test_a_watch_serves_its_registry_while_it_watches(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Even while the loop is held; and stops doing so at once when it is told to."""
    caplog.clear()
    registry, port = CollectorRegistry(), free_port()
    watch = make_watch(registry=registry, metrics_port=port)
    run_on(loop, some_life(watch))
    assert wait_until_said(caplog) == [port]
    assert stalls(get(port).text, "/life") == 2
    strict = get(port, accept="application/openmetrics-text; version=1.0.0")
    assert strict.text.endswith("# EOF\n")
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 0.4
    assert not is_open(port)
    run_on(loop, some_life(watch))
    wait_until_said(caplog, 2)
    assert is_open(port)


def test_livez_is_served_beside_the_metrics(
    make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    watch = make_watch(registry=CollectorRegistry(), metrics_port=free_port(), live_after=0.5)
    let_go = threading.Event()

    async def main() -> None:
        watch.start()
        let_go.wait(20)

    thread = threading.Thread(target=run_on, args=("asyncio", main()))
    thread.start()
    [port] = wait_until_said(caplog)
    try:
        time.sleep(0.8)
        answer = httpx.get(f"http://{HOST}:{port}/livez", trust_env=False)
        assert (answer.status_code, answer.json()["state"]) == (503, "held")
        assert answer.json()["culprit"]["code"] == "let_go.wait(20)"
        assert "loopwatch_stall_in_progress_seconds{" in get(port).text
    finally:
        let_go.set()
        thread.join(20)
    answer = httpx.get(f"http://{HOST}:{port}/livez", trust_env=False)
    assert (answer.status_code, answer.json()["state"]) == (200, "idle")
    assert "loopwatch_stall_in_progress_seconds{" not in get(port).text


def test_the_first_free_port_is_taken(
    make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server((HOST, 0)) as taken:
        first = taken.getsockname()[1]
        watches = [make_watch(registry=CollectorRegistry(), metrics_port=first) for _ in range(2)]
        for watch in watches:
            run_on("asyncio", some_life(watch))
        ports = wait_until_said(caplog, 2)
    assert first not in ports
    assert len({*ports}) == 2
    assert all(first < port < first + module.TRIES for port in ports)


def test_a_port_that_cannot_be_had_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are taken, or it is not allowed, or the host is not this machine's."""

    def refusing(number: int) -> Any:
        def start(*_: Any) -> None:
            raise OSError(number, "")

        return start

    asked: list[int] = []

    def taken(port: int, *_: Any) -> None:
        asked.append(port)
        raise OSError(errno.EADDRINUSE, "")

    for start, words in (
        (taken, "ports 65530 to 65535 are all taken"),
        (refusing(errno.EACCES), "port 65530 cannot be had (Permission denied)"),
        (refusing(errno.EADDRNOTAVAIL), "(Cannot assign requested address)"),
    ):
        caplog.clear()
        monkeypatch.setattr(module, "start_http_server", start)
        port = MetricsPort(CollectorRegistry(), HOST, 65530)
        port.open()
        port.open()
        port.close()
        (record,) = caplog.records
        assert words in record.message
        assert record.levelname == "ERROR"
    assert asked == [*range(65530, 65536)]


def test_a_host_that_is_none_harms_nobody(
    make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch = make_watch(
        registry=CollectorRegistry(), metrics_port=free_port(), metrics_host="256.0.0.1"
    )
    run_on("asyncio", some_life(watch))
    watch.stop()
    assert [r.message for r in caplog.records if "serves no metrics" in r.message] != []
    assert watch.snapshot().stall_count == 2


def test_an_address_of_the_sixth_version_is_written_as_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = MetricsPort(CollectorRegistry(), "::1", free_port())
    port.open()
    port.close()
    assert "http://[::1]:" in caplog.text or "cannot be had" in caplog.text


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"metrics_port": 0}, ValueError, "metrics_port must be from 1 to 65535, got 0"),
        ({"metrics_port": 65536}, ValueError, "got 65536"),
        ({"metrics_port": "9100"}, TypeError, "metrics_port must be the number of a port or None"),
        ({"metrics_port": True}, TypeError, "got True"),
        ({"metrics_port": 9100.0}, TypeError, "got 9100.0"),
        ({"metrics_port": 9100, "registry": None}, ValueError, "must come with a registry"),
        ({"metrics_host": ""}, ValueError, "metrics_host must be a host's name or address"),
        ({"metrics_host": "http://x"}, ValueError, "got 'http://x'"),
        ({"metrics_host": None}, TypeError, "metrics_host must be a text, got None"),
    ],
)
def test_wrong_values_are_refused(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        private_watch(**{"registry": CollectorRegistry()} | options)
    assert words in str(caught.value)


def test_the_two_ways_exclude_each_other(tmp_path: Path) -> None:
    printed = run_script(
        """
        from loopwatch import Watch
        try:
            Watch(metrics_port=9100)
        except ValueError as error:
            print(error)
        """,
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    assert "metrics_port must be left out where PROMETHEUS_MULTIPROC_DIR is set" in printed


FORKED = """
    import asyncio, os, socket, sys, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork with threads about
    from prometheus_client import CollectorRegistry
    from loopwatch import Watch
    from tests.conftest import run_on
    from tests.exporters.test_port import get, is_open, stalls
    from tests.exporters.life import some_life

    port = int(sys.argv[1])
    watch = Watch(registry=CollectorRegistry(), otel=False, log=False, metrics_port=port)

    async def main():
        await some_life(watch)
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)
            run_on("asyncio", some_life(watch))
            [port_of] = [e._port for e in watch._exporters if hasattr(e, "_port")]
            port_of._opener.join(5)
            own = port_of._server.server_port
            os.write(theirs, b"%d %d" % (own > port, stalls(get(own).text, "/life")))
            os.read(ours, 0)
            signal = os.fdopen(ours, "rb", 0)
            import time; time.sleep(0.6)  # outlives its parent's port
            os._exit(0)
        print((await asyncio.to_thread(os.read, ours, 100)).decode())
        watch.stop()
        print(is_open(port))
        await asyncio.to_thread(os.waitpid, pid, 0)

    run_on("asyncio", main())
"""


def test_a_fork_has_a_port_of_its_own_and_keeps_none_of_its_parent_s() -> None:
    printed = run_script(FORKED, str(free_port()))
    assert printed.split() == ["1", "2", "False"]


def test_each_worker_has_a_port_with_its_own_numbers() -> None:
    first = free_port()
    server, environment = [*UVICORN, "asyncio"], {"LOOPWATCH_METRICS_PORT": str(first)}
    with workers(server, share=False, **environment) as served:
        served.wait_for_workers(4)
        served.block(12)
        time.sleep(0.3)
        found = [get(port).text for port in range(first, first + 64) if is_open(port)]
        pages = [page for page in found if 'route="/who"' in page]  # others may have ports there
        assert len(pages) == 4
        counts = [stalls(page, "/block") for page in pages]
        assert sum(counts) == 12
        assert max(counts) < 12
