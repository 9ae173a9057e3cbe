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


def test_requests_that_wait_for_two_places(loop: str, tmp_path: Path) -> None:
    """20 a second get through, 30 a second come: the line grows to some 50."""
    said, told = diagnosed("/query", 30, loop, tmp_path)
    verdict, [first, *others] = told["verdict"], told["waits"]
    assert verdict["kind"] == "concurrency", said
    assert (first["route"], first["method"], first["resource"]) == ("/query", "GET", "semaphore")
    assert first["place"]["line"] == line("async with POOL:")
    # a machine that is busy leaves looks out, of every place alike
    assert first["seconds"] > 3 * sum(other["seconds"] for other in others)
    assert first["of_waiting"] >= first["of_p99"] > 0.3
    assert 1 <= len(first["holders"]) <= 2
    assert {h["site"]["line"] for h in first["holders"]} == {line("await asyncio.sleep(HELD)")}
    assert first["at_once"] > 3
    at = f"async with POOL at limits.py:{line('async with POOL:')}"
    assert f"GET /query waits for {at}: " in said
    html = (tmp_path / "report.html").read_text()
    assert "What requests wait for" in html
    assert "async with POOL" in html


def test_a_loop_that_is_full_of_short_steps(loop: str, tmp_path: Path) -> None:
    """Requests of ten steps of 8 ms, 10.8 a second: busy for some 90 % of the time.

    A machine that is busy may add stalls of its own: their line then comes first.
    """
    said, told = diagnosed("/report", 10.8, loop, tmp_path)
    verdict, [first, *_] = told["verdict"], told["loop_lines"]
    assert "The loop is full" in said
    assert verdict["kind"] == "loop_cost" or told["stall_count"], said
    assert first["route"] == "/report"
    assert first["site"]["function"] == "limits.squares"
    assert f"at limits.py:{first['site']['line']} for GET /report" in said
    shares = {row["site"]["function"]: 0.0 for row in told["loop_lines"]}
    for row in told["loop_lines"]:
        shares[row["site"]["function"]] += row["share"]
    assert shares["limits.squares"] > 0.6
    assert 0.004 < first["step"] < 0.03
    assert told["loop_stacks"]
    assert "Lines of loop time" in (tmp_path / "report.html").read_text()
