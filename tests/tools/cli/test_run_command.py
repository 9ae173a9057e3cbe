"""`loopwatch run`: serves, answers beside, ends."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from loopwatch.core.version import __version__
from tests.tools.cli.running import APPS, Run, command, environment, loopwatch, running

pytestmark = pytest.mark.slow
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def until(condition: Callable[[], Any], patience: float = 10.0) -> Any:
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def stalls(run: Run) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = run.get(f"{run.admin}/stalls.json").json()["stalls"]
    return [stall for stall in told if stall["route"] == "/bad"]


def test_app_is_watched_with_no_change_to_its_code(loop: str) -> None:
    with running("shop:app", "--loop", loop) as run:
        assert run.get(f"{run.app}/good").json().partition(".")[0] == loop
        run.get(f"{run.app}/bad?seconds=0.2")
        [stall] = until(lambda: stalls(run))
        assert stall["site"]["function"] == "shop.bad"
        assert stall["site"]["code"].startswith("time.sleep(")
        assert until(lambda: "GET /bad held the loop" in run.said())
        told = run.get(f"{run.admin}/snapshot.json").json()
        assert [reading["loop"] for reading in told["loops"]] == [loop]  # the admin's is not


def test_admin_port_answers_while_the_loop_is_held(loop: str) -> None:
    with running("shop:app", "--loop", loop) as run:
        held = threading.Thread(target=run.get, args=(f"{run.app}/bad?seconds=3",))
        began = time.monotonic()
        held.start()
        time.sleep(0.3)
        for path in ("/", "/snapshot.json", "/stalls.json", "/flamegraph.folded", "/metrics"):
            run.get(run.admin + path)
        assert time.monotonic() - began < 2.5
        assert held.is_alive()
        held.join()
        assert until(lambda: stalls(run))


def test_livez_answers_while_the_loop_is_held_and_says_when_it_is_not_alive(loop: str) -> None:
    with running("shop:app", "--loop", loop, LOOPWATCH_LIVE_AFTER="1.5") as run:

        def livez() -> tuple[int, dict[str, Any]]:
            answer = run.client.get(f"{run.admin}/livez")
            return answer.status_code, answer.json()

        status, before = livez()
        assert (status, before["state"] in ("idle", "busy")) == (200, True)
        held = threading.Thread(target=run.get, args=(f"{run.app}/bad?seconds=4",))
        held.start()
        assert until(lambda: livez()[1]["state"] == "held")
        assert livez()[1]["culprit"]["function"] == "shop.bad"
        assert until(lambda: livez()[0] == 503)
        assert livez()[1]["held_seconds"] >= 1.5
        [shown] = run.get(f"{run.admin}/snapshot.json").json()["in_progress"]
        assert shown["route"] == "/bad"
        assert held.is_alive()
        held.join()
        assert until(lambda: livez()[0] == 200)
        assert "GET /bad has been holding the loop for 1." in run.said()


def test_metrics_in_the_format_asked_for() -> None:
    with running("shop:app") as run:
        run.get(f"{run.app}/good")
        plain = run.get(f"{run.admin}/metrics")
        assert plain.headers["content-type"].startswith("text/plain")
        answer = run.get(f"{run.admin}/metrics", accept=OPEN_METRICS)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        families = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
        names = {family.name for family in families}
        assert {"loopwatch_stall_seconds", "loopwatch_info", "process_cpu_seconds"} <= names


def test_a_foreign_host_is_told_nothing() -> None:
    """Not even by a page whose own name resolves to this machine."""
    with running("shop:app") as run:
        port = run.admin.rpartition(":")[2]
        for path in ("/", "/snapshot.json", "/metrics", "/livez"):
            answer = run.client.get(run.admin + path, headers={"host": f"evil.example:{port}"})
            assert answer.status_code == 421
            for host in ("localhost", f"127.0.0.1:{port}"):
                run.get(run.admin + path, host=host)
        assert run.get(f"{run.app}/good", host="evil.example").status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_idle_connections_take_few_descriptors_and_others_are_answered() -> None:
    with running("shop:app") as run, ExitStack() as crowd:
        port = int(run.admin.rpartition(":")[2])
        for _ in range(400):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        run.get(f"{run.admin}/stalls.json")
        opened = Path(f"/proc/{run.process.pid}/fd")
        assert len([*opened.iterdir()]) < 200
        until(lambda: len([*opened.iterdir()]) < 60)
        run.get(f"{run.app}/good")


def test_admins_everyday_life_is_not_in_the_apps_log() -> None:
    with running("shop:app") as run:
        run.get(f"{run.app}/good")
        run.get(f"{run.admin}/stalls.json")
        assert run.end(signal.SIGTERM) == 0
        assert run.said().count('"GET /') == 1
        assert run.said().count("Started server process") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_in_good_order(number: signal.Signals, loop: str) -> None:
    with running("shop:app", "--loop", loop) as run:
        run.get(f"{run.app}/good")
        run.get(f"{run.admin}/")
        assert run.end(number) == 0
        assert "Application shutdown complete" in run.said()
        assert "Traceback" not in run.said()


def test_factory() -> None:
    with running("shop:make_app", "--factory") as run:
        run.get(f"{run.app}/good")


@pytest.mark.parametrize(
    ("options", "variable", "expected"),
    [
        ((), "0.05", 1),
        (("--slow-callback-duration", "5"), "0.05", 0),
        (("--slow-callback-duration", "0.05"), "5", 1),
        (("--slow-callback-duration", "5"), "nonsense", 0),
    ],
)
def test_command_line_wins_over_the_environment(
    options: tuple[str, ...], variable: str, expected: int
) -> None:
    with running("shop:app", *options, LOOPWATCH_SLOW_CALLBACK_DURATION=variable) as run:
        run.get(f"{run.app}/bad?seconds=0.2")
        time.sleep(0.3)
        assert len(stalls(run)) == expected


def test_version_and_help() -> None:
    assert loopwatch("--version").stdout == f"loopwatch {__version__}\n"
    told = loopwatch("run", "--help")
    assert told.returncode == 0
    for option in ("--port", "--admin-port", "--loop", "--slow-callback-duration", "--factory"):
        assert option in told.stdout


def test_no_access_log() -> None:
    with running("shop:app", "--no-access-log") as run:
        run.get(f"{run.app}/good")
        assert run.end(signal.SIGTERM) == 0
        assert '"GET /' not in run.said()


def test_ends_in_good_order_when_standard_input_does() -> None:
    process = subprocess.Popen(
        command("run", "shop:app", "--port", "0", "--admin-port", "0", "--end-with-stdin"),
        cwd=APPS,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        output = process.stdout
        until(lambda: "startup complete" in output.readline())
        process.stdin.close()
        said = output.read()
        assert process.wait(timeout=20) == 0
    assert "Application shutdown complete" in said
