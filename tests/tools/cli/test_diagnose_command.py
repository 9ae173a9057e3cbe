"""`loopwatch diagnose` end to end: it names the line, and what fixing it would do."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from loopwatch.tools.findings.fingerprint import culprit_id
from tests.conftest import LOOPS
from tests.tools.cli.running import APPS, command, environment, loopwatch, running
from tests.tools.findings.sarif_form import faults

pytestmark = pytest.mark.slow
CALL = "time.sleep(0.15)"
LINE = next(
    n for n, text in enumerate((APPS / "slow.py").read_text().splitlines(), 1) if CALL in text
)


@contextmanager
def diagnosing(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command("diagnose", *arguments),
        cwd=APPS,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def until_gone(pid: int, patience: float = 10.0) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def report(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def route(told: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [row for row in told["routes"] if row["route"] == name]
    assert isinstance(found, dict)
    return found


@dataclass
class Pair:
    """The same app twice: with its bad route in the load, and without."""

    loop: str
    paths: tuple[Path, Path]
    done: tuple["subprocess.CompletedProcess[str]", "subprocess.CompletedProcess[str]"]

    @property
    def reports(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return report(self.paths[0]), report(self.paths[1])


@pytest.fixture(scope="module", params=LOOPS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("diagnosed")
    paths = folder / "before.json", folder / "after.json"
    shared = ["diagnose", "slow:app", "--get", "/good", "--weight", "3", "--rate", "16"]
    shared += ["--loop", request.param]
    before = loopwatch(
        *(*shared, "--get", "/bad", "--duration", "6", "--json", str(paths[0])),
        *("--fail-on", "stall>0.1", "--fail-on", "p99[/good]>5"),
        *("--sarif", str(folder / "before.sarif"), "--github"),
    )
    after = loopwatch(*shared, "--duration", "3", "--json", str(paths[1]))
    return Pair(request.param, paths, (before, after))


def test_names_the_line_and_fails_on_what_it_was_told_to(pair: Pair) -> None:
    done = pair.done[0]
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("loopwatch: failed on stall>0.1: it is 0.1")
    assert "\x1b" not in done.stdout
    text = [line for line in done.stdout.splitlines() if not line.startswith("::")]
    assert max(map(len, text)) <= 80
    said = " ".join(done.stdout.split())
    assert "GET /good waits for /bad: " in said
    assert f"is the loop held by {CALL} at slow.py:{LINE}. Fixing that line takes its p99" in said


def test_culprit_is_told_with_its_source_and_the_counts_agree(pair: Pair) -> None:
    told, _ = pair.reports
    verdict, culprit = told["verdict"], told["culprits"][0]
    assert (verdict["kind"], verdict["route"], verdict["site"]) == ("blocked", "/good", "slow.bad")
    assert (culprit["cause"], culprit["site"]["line"]) == ("blocking_call", LINE)
    assert CALL in culprit["source"][3]["text"]
    assert "asyncio.sleep" in culprit["advice"]
    assert (told["target"]["loop"], told["load"]["errors"]) == (pair.loop, 0)
    assert told["load"]["sent"] == sum(row["requests"] for row in told["routes"]) == 96
    assert culprit["count"] == told["stall_count"] == route(told, "/bad")["requests"]
    assert sum(moment["stalls"] for moment in told["timeline"]) == told["stall_count"]
    assert told["stacks"][0]["frames"][-1] == f"slow.bad:{LINE}"


def test_code_review_gets_the_culprit_at_its_line(pair: Pair) -> None:
    told, _ = pair.reports
    schema = files("loopwatch.tools.diagnose").joinpath("report.schema.json").read_text("utf-8")
    for made in pair.reports:
        jsonschema.Draft202012Validator(json.loads(schema)).validate(made)
    assert told["culprits"][0]["id"] == culprit_id("/bad", "slow.bad", "blocking_call")
    written = report(pair.paths[0].with_suffix(".sarif"))
    assert faults(written) == []
    result = written["runs"][0]["results"][0]
    assert result["partialFingerprints"]["loopwatchCulprit/v1"] == told["culprits"][0]["id"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == LINE
    (line,) = (row for row in pair.done[0].stdout.splitlines() if row.startswith("::warning"))
    assert f"slow.py,line={LINE},title=loopwatch%3A blocking call::" in line
    assert "::" not in pair.done[1].stdout


def test_parts_add_up_to_what_clients_waited(pair: Pair) -> None:
    for told in pair.reports:
        good = route(told, "/good")
        assert good["unexplained"] < 0.05
        assert good["client"]["p99"] >= good["server"]["p99"] - 0.010


def test_foresees_what_it_is_like_without_the_line(pair: Pair) -> None:
    """All requests of the twin are alike, so what lies between its p50 and p99 is the machine's."""
    before, after = pair.reports
    assert (after["verdict"]["kind"], after["culprits"]) == ("waiting", [])
    measured = route(after, "/good")["server"]
    least, most = measured["p50"], measured["p99"]
    assert 0.8 * least - 0.010 < before["verdict"]["p99_then"] < 1.2 * most + 0.010


def test_comparison_tells_who_is_gone_and_who_is_new(pair: Pair) -> None:
    before, after = map(str, pair.paths)
    done = loopwatch("diagnose", "--compare", before, after, "--fail-on", "stall>0.1")
    assert done.returncode == 0, done.stderr
    gone = [line for line in done.stdout.splitlines() if line.rstrip().endswith("gone")]
    assert [line.startswith(f"slow.py:{LINE}") for line in gone].count(True) == 1
    assert any(line.startswith(f"GET /bad: slow.py:{LINE}") for line in gone)  # of the loop's time
    done = loopwatch("diagnose", "--compare", after, before, "--markdown", "-")
    assert f"| slow.py:{LINE} {CALL} | /bad |" in done.stdout
    assert "❌ new" in done.stdout


def test_plan_file_with_bodies_and_errors(tmp_path: Path) -> None:
    plan, written = tmp_path / "plan.toml", tmp_path / "report.json"
    plan.write_text(
        'rate = "10:30"\nduration = 2\n[headers]\nx-mine = "1"\n'
        '[[requests]]\nmethod = "POST"\npath = "/users/7?full=1"\njson = {a = 1}\n'
        '[[requests]]\nmethod = "POST"\npath = "/users/8"\nbody = \'"fail"\'\n'
        '[[requests]]\npath = "/nowhere"\n'
    )
    done = loopwatch(
        *("diagnose", "slow:app", "--plan", str(plan), "--json", str(written), "--warm-up", "0"),
        *("--fail-on", "errors>0.1"),
    )
    assert done.returncode == 1, done.stderr
    assert "GET /nowhere matches no route" in done.stdout
    told = report(written)
    assert (told["load"]["rate"], told["load"]["rate_end"], told["load"]["sent"]) == (10, 30, 40)
    assert [r["route"] for r in told["load"]["requests"]] == ["/users/{id}", "/users/{id}", None]
    assert set(told["load"]["by_status"]) == {"200", "404", "500"}
    assert route(told, "/users/{id}")["errors"] == told["load"]["by_status"]["500"]
    assert "full=1" not in written.read_text()


def test_attached_to_an_app_that_runs_while_a_tool_loads_it(tmp_path: Path) -> None:
    written = tmp_path / "report.json"
    load = "import sys, urllib.request as u\nfor n in range(40): u.urlopen(sys.argv[1]).read()"
    with running("slow:app", "--loop", "asyncio") as run:
        run.get(f"{run.app}/bad")  # before: left out
        done = loopwatch(
            *("diagnose", "--attach", run.admin, "--json", str(written)),
            *("--", sys.executable, "-c", load, f"{run.app}/good"),
        )
        assert done.returncode == 0, done.stderr
    told = report(written)
    assert (told["load"], told["generator"], told["stall_count"]) == (None, None, 0)
    assert told["command"]["exit_code"] == 0
    [good] = told["routes"]
    assert (good["route"], good["requests"], good["client"]) == ("/good", 40, None)
    assert good["server"]["p50"] == pytest.approx(0.02, abs=0.01)


def test_ctrl_c_ends_the_load_early_and_reports(tmp_path: Path) -> None:
    arguments = ("slow:app", "--get", "/good", "--rate", "20", "--duration", "60")
    with diagnosing(*arguments) as process:
        assert process.stderr is not None
        assert " sent " in process.stderr.readline()  # 5 s after its beginning
        [child] = children(process.pid)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "ended early" in out
    assert "No stalls" in out
    assert until_gone(child)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_app_ends_with_its_parent_however_that_ends(number: signal.Signals) -> None:
    arguments = ("slow:app", "--get", "/good", "--rate", "5", "--duration", "60")
    with diagnosing(*arguments) as process:
        deadline = time.monotonic() + 20
        while not (found := children(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        process.wait(30)
    assert until_gone(found[0])


def test_load_tool_is_not_left_behind_and_what_it_was_told_is_not_kept(tmp_path: Path) -> None:
    written = tmp_path / "report.json"
    with running("slow:app", "--loop", "asyncio") as run:
        arguments = ("--attach", run.admin, "--json", str(written))
        tool = (sys.executable, "-c", "import time; time.sleep(60)", "Authorization: secret")
        with diagnosing(*arguments, "--", *tool) as process:
            deadline = time.monotonic() + 20
            while not (found := children(process.pid)):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
    assert until_gone(found[0])
    assert "ended with exit code -15" in " ".join(out.split())
    assert "secret" not in written.read_text()


def test_app_that_ends_meanwhile_is_told_and_the_report_is_not_lost() -> None:
    done = loopwatch(
        *("diagnose", "slow:app", "--get", "/good", "--get", "/die", "--weight", "0.02"),
        *("--rate", "40", "--duration", "5", "--warm-up", "0"),
    )
    assert done.returncode == 0, done.stderr
    assert "The app ended during the measurement: exit code 3 - " in " ".join(done.stdout.split())
