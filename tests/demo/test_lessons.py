"""The numbered lessons do what they say: each ends with its expected output."""

import re
import subprocess
import sys
import time

import httpx
import pytest

from ..ports import HOST, free_port
from .running import CHECKOUT, clean_environment

pytestmark = pytest.mark.slow
EXPECTED = re.compile(r"^# Expected output.*?:\n#\n(?P<lines>(?:#.*\n)+)", re.M | re.S)


def expected(lesson: str) -> list[str]:
    text = (CHECKOUT / "examples" / lesson).read_text(encoding="utf-8")
    found = EXPECTED.search(text)
    assert found, f"{lesson} ends without its expected output"
    return [line.lstrip("# ") for line in found["lines"].splitlines()]


@pytest.mark.parametrize("lesson", ["02_script.py", "03_timed.py"])
def test_script_prints_what_it_says(lesson: str) -> None:
    done = subprocess.run(
        [sys.executable, f"examples/{lesson}"],
        cwd=CHECKOUT,
        env=clean_environment() | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == expected(lesson)


def test_one_line_logs_what_it_says() -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", "examples", "01_one_line:app"]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=CHECKOUT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    visit(f"http://{HOST}:{port}/report")
    time.sleep(0.5)
    process.terminate()
    log, _ = process.communicate(timeout=20)
    (line,) = expected("01_one_line.py")
    said, where = line.split("...")
    said = said.rpartition(" 0.2")[0]  # the last digits of the duration are the machine's
    assert any(seen.startswith(said) and where in seen for seen in log.splitlines()), log


def visit(url: str) -> None:
    for _ in range(100):
        try:
            httpx.get(url, trust_env=False)
            return
        except httpx.ConnectError:
            time.sleep(0.1)
