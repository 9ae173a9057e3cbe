"""`loopwatch run -- COMMAND` with real programs: watched, and otherwise as without it."""

import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import CHECKOUT
from tests.ports import HOST, free_port
from tests.startup.programs import APP, PATIENCE, hit_both_workers, outcome, run, started, watched

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="programs are replaced on POSIX alone"),
]
HERE = Path(__file__).parent
LINE = next(
    number
    for number, line in enumerate((HERE / "app.py").read_text().splitlines(), 1)
    if "time.sleep" in line
)
PYTHON = (sys.executable, "-m")
AT = (f"{HOST}:PORT",)
GUNICORN = ("gunicorn.app.wsgiapp", "-w", "2", "-b", *AT, "--no-control-socket")
SERVERS = [
    ("gunicorn", (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker"), "uvloop"),
    ("uvicorn", ("uvicorn", "--port", "PORT", "--workers", "2", "--loop", "asyncio"), "asyncio"),
    ("hypercorn", ("hypercorn", "-b", *AT, "-w", "2"), "asyncio"),
    (
        "granian",
        ("granian", "--interface", "asgi", "--port", "PORT", "--workers", "2", "--loop", "uvloop"),
        "uvloop",
    ),
]


@pytest.mark.parametrize(("server", "words", "loop"), SERVERS, ids=lambda value: str(value)[:20])
def test_both_workers_name_the_blocked_line_and_its_route(
    server: str, words: tuple[str, ...], loop: str, tmp_path: Path
) -> None:
    for name in (server, loop, *(["uvicorn_worker"] if server == "gunicorn" else [])):
        pytest.importorskip(name)
    port, output = free_port(), tmp_path / "errors"
    there = [word.replace("PORT", str(port)) for word in words]
    with started(watched(*PYTHON, *there, APP), output) as process:
        for pid in hit_both_workers(port):
            stall = first_stall(pid, output)
            assert (stall["route"], stall["method"]) == ("/bad/{number}", "GET")
            assert stall["site"]["function"] == "tests.startup.app.bad"
            assert (Path(stall["site"]["file"]).name, stall["site"]["line"]) == ("app.py", LINE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def first_stall(pid: str, output: Path) -> dict[str, Any]:
    """Return the first stall of a route that a process tells at its admin port."""
    url = re.search(rf"process {pid}: live page (\S+)/,", output.read_text(errors="replace"))
    assert url is not None, f"process {pid} has said no address"
    deadline = time.monotonic() + PATIENCE
    while True:
        told = httpx.get(f"{url[1]}/stalls.json", timeout=20, trust_env=False).json()["stalls"]
        found: list[dict[str, Any]] = [stall for stall in told if stall["route"]]
        if found:
            return found[0]
        assert time.monotonic() < deadline, f"process {pid} has told no stall"
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_uvicorn_ends_as_it_does_bare_and_its_summary_is_written_before(
    number: signal.Signals, loop: str, tmp_path: Path
) -> None:
    def end(front: list[str], output: Path) -> tuple[int, bytes]:
        port = free_port()
        at = ["--port", str(port), "--loop", loop, "--no-access-log"]
        with started([*front, *PYTHON, "uvicorn", *at, APP], output) as process:
            ask_once(port)
            process.send_signal(number)
            assert process.stdout is not None
            return process.wait(PATIENCE), process.stdout.read()

    pytest.importorskip("uvicorn")
    bare = end([], tmp_path / "bare")
    assert end(watched(), tmp_path / "watched") == bare
    culprit = rf"  .*: GET /bad/{{number}}, tests\.startup\.app\.bad \((near )?app\.py:{LINE}\)"
    assert re.search(culprit, (tmp_path / "watched").read_text())


def ask_once(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(f"http://{HOST}:{port}/bad/1", timeout=20, trust_env=False)
            return
        except httpx.HTTPError:  # not up yet
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT])
def test_exit_code_signals_and_standard_output_are_the_programs(
    number: signal.Signals | None, tmp_path: Path
) -> None:
    words = [sys.executable, str(HERE / "script.py"), "0.2" if number is None else "30", "7"]
    bare = outcome(words, tmp_path / "bare", number)
    assert outcome(watched(*words), tmp_path / "watched", number) == bare
    assert bare[0] == (7 if number is None else -number)
    told = (tmp_path / "watched").read_text()
    assert told.count("held a loop") == (0 if number == signal.SIGTERM else 1)


def test_a_process_without_a_loop_imports_and_says_nothing() -> None:
    code = "import asyncio, sys; print([n for n in sys.modules if n.startswith('loopwatch')])"
    done = run(watched(sys.executable, "-c", code))
    assert done.stdout == "['loopwatch.startup.import_hook', 'loopwatch.startup.patches']\n"
    assert done.stderr == ""


def test_sys_path_and_sitecustomize_are_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.own = __name__\n")
    words = [sys.executable, "-c", "import sys, sitecustomize; print(sys.path, sys.own)"]
    path = f"{tmp_path}{os.pathsep}{CHECKOUT}"
    bare = run(words, PYTHONPATH=path)
    assert run(watched(*words), PYTHONPATH=path).stdout == bare.stdout
    assert bare.stdout.endswith(" sitecustomize\n")


SCRIPT = [sys.executable, str(HERE / "script.py"), "0", "3"]


def test_no_summary() -> None:
    done = run(watched(*SCRIPT, options=("--no-summary",)))
    assert done.returncode == 3
    assert "main held the loop" in done.stderr
    assert "held a loop" not in done.stderr


def test_options_are_flags_and_variables() -> None:
    assert "no stall" in run(watched(*SCRIPT, options=("--slow-callback-duration", "5"))).stderr
    assert "no stall" in run(watched(*SCRIPT), LOOPWATCH_SLOW_CALLBACK_DURATION="5").stderr
    flag = ("--slow-callback-duration", "0.1")
    done = run(watched(*SCRIPT, options=flag), LOOPWATCH_SLOW_CALLBACK_DURATION="5")
    assert "1 stall held a loop" in done.stderr


def test_where_loopwatch_fails_the_program_runs_with_one_warning(tmp_path: Path) -> None:
    """Its Python lacks what loopwatch needs."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['prometheus_client'] = None\n"
    )
    path = f"{tmp_path}{os.pathsep}{CHECKOUT}"
    hook = CHECKOUT / "loopwatch" / "startup" / "hook"
    done = run(SCRIPT, PYTHONPATH=f"{hook}{os.pathsep}{path}")
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert re.fullmatch(r"loopwatch: process \d+: runs unwatched: ModuleNotFoundError.*", line)


def test_a_watch_of_the_programs_own_has_the_loop() -> None:
    code = """
import asyncio, time
from loopwatch import Watch

async def main():
    watch = Watch(registry=None, log=False)
    watch.start()
    time.sleep(0.6)
    await asyncio.sleep(0.1)
    print(len(watch.stalls))

asyncio.run(main())
"""
    done = run(watched(sys.executable, "-c", code))
    assert (done.stdout, done.returncode) == ("1\n", 0)
    assert "no stall" in done.stderr


def test_forked_children_are_watched_by_themselves() -> None:
    code = """
import asyncio, multiprocessing, os, sys, time
async def main(): time.sleep(0.6)
def work(): asyncio.run(main())
if os.fork() == 0:
    print("loopwatch.startup.process_watch" in sys.modules)  # no loop has run here
    sys.exit(0)
os.wait()
multiprocessing.get_context("fork").Process(target=work).start()  # the first loop is a child's
time.sleep(0.2)
work()
if os.fork() == 0:
    work()
    sys.exit(0)
os.wait()
"""
    done = run(watched(sys.executable, "-W", "ignore", "-c", code))
    assert (done.returncode, done.stdout) == (0, "False\n")
    assert len({*re.findall(r"process (\d+): 1 stall held a loop", done.stderr)}) == 3
