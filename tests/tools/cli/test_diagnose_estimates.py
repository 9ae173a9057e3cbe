"""`loopwatch diagnose` end to end where nothing holds the loop for long: it names the line where
requests wait, and the line that fills the loop."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools.cli.running import APPS, loopwatch

pytestmark = pytest.mark.slow
SOURCE = (APPS / "limits.py").read_text().splitlines()


def line(code: str) -> int:
    [found] = [n for n, text in enumerate(SOURCE, 1) if text.strip() == code]
    return found


def diagnosed(path: str, rate: float, loop: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Return what is printed, in one line, and the report; the HTML is written as well."""
    file = folder / "report.json"
    done = loopwatch(
        *("diagnose", "limits:app", "--get", path, "--rate", str(rate), "--duration", "5"),
        *("--loop", loop, "--json", str(file), "--html", str(folder / "report.html")),
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    return " ".join(done.stdout.split()), found


def undisturbed(told: dict[str, Any]) -> bool:
    """Return whether the verdict is on the app: a machine that is busy may add stalls, or be late
    with the load, and is then told of first."""
    return not told["stall_count"] and not told["generator"]["complaints"]


def test_requests_that_wait_for_two_places(loop: str, tmp_path: Path) -> None:
    """20 a second get through, 30 a second come: the line grows to some 50."""
    said, told = diagnosed("/query", 30, loop, tmp_path)
    first, *others = told["waits"]
    assert (first["route"], first["method"], first["resource"]) == ("/query", "GET", "semaphore")
    assert first["place"]["line"] == line("async with POOL:")
    # a machine that is busy leaves looks out, of every place alike
    assert first["seconds"] > 3 * sum(other["seconds"] for other in others)
    assert first["of_waiting"] >= first["of_p99"] > 0.3
    assert 1 <= len(first["holders"]) <= 2
    assert {h["site"]["line"] for h in first["holders"]} == {line("await asyncio.sleep(HELD)")}
    assert first["at_once"] > 3
    at = f"async with POOL at limits.py:{line('async with POOL:')}"
    if undisturbed(told):
        assert told["verdict"]["kind"] == "concurrency", said
        assert f"GET /query waits for {at}: " in said
    html = (tmp_path / "report.html").read_text()
    assert "What requests wait for" in html
    assert "async with POOL" in html


def test_a_loop_that_is_full_of_short_steps(loop: str, tmp_path: Path) -> None:
    """Requests of ten steps of 8 ms, 10.8 a second: busy for some 90 % of the time."""
    said, told = diagnosed("/report", 10.8, loop, tmp_path)
    first = told["loop_lines"][0]
    assert first["route"] == "/report"
    assert first["site"]["function"] == "limits.squares"
    if undisturbed(told):
        assert told["verdict"]["kind"] == "loop_cost", said
        assert "The loop is full: " in said
        assert f"at limits.py:{first['site']['line']} for GET /report" in said
    shares = {row["site"]["function"]: 0.0 for row in told["loop_lines"]}
    for row in told["loop_lines"]:
        shares[row["site"]["function"]] += row["share"]
    assert shares["limits.squares"] > 0.6
    assert 0.004 < first["step"] < 0.2
    assert told["loop_stacks"]
    assert "Lines of loop time" in (tmp_path / "report.html").read_text()
