"""A section of docs/sixty-seconds.md as it stands there: its files, its commands, what is seen.

A block of code that begins with a comment of a name, such as `# main.py`, is that file. Figures,
process ids, ports and folders of what is seen are those of whoever runs it.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from ..conftest import CHECKOUT
from ..ports import HOST
from ..tools.cli.running import environment

PAGE = CHECKOUT / "docs" / "sixty-seconds.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
VARYING = {  # what varies in a line -> a pattern of it
    r"http://127\.0\.0\.1:\d+": r"http://127\.0\.0\.1:\d+",
    r"\b4711\b": r"\d+",
    r"/app/": r"\S*/",
    r"\b\d+ (?=stalls\b|times\b)": r"\d+ ",
    r"\b\d+\.\d+\b": r"\d+\.\d+",
}
ANY = re.compile("|".join(VARYING))
MODULES = {"django-admin": "django", "python": ""}  # of a command; else of the same name
PATIENCE = 60.0  # s, on a crowded machine


def section(heading: str) -> str:
    """Return a section of the page; without a heading, what stands before the first."""
    text = PAGE.read_text("utf-8")
    if not heading:
        return text.partition("\n## ")[0]
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)


def files(text: str) -> dict[str, str]:
    found = {}
    for language, code in BLOCK.findall(text):
        if language not in ("", "text"):
            name, _, rest = code.partition("\n")
            found[name.removeprefix("# ")] = code
            assert rest, name
    return found


def commands(text: str) -> list[list[str]]:
    """Return the words of each command, without comments."""
    lines = [
        line
        for language, code in BLOCK.findall(text)
        if not language
        for line in [*code.splitlines()]
    ]
    return [shlex.split(line, comments=True) for line in lines]


def told(text: str) -> list[str]:
    return [
        line
        for language, code in BLOCK.findall(text)
        if language == "text"
        for line in code.splitlines()
    ]


def unseen(text: str, output: str) -> list[str]:
    """Return the lines that the page tells of and an output does not have."""
    return [line for line in told(text) if not re.search(pattern(line), output)]


def pattern(line: str) -> str:
    parts, at = [], 0
    for varying in ANY.finditer(line):
        like = next(
            like for what, like in VARYING.items() if re.match(what, line[varying.start() :])
        )
        parts += [re.escape(line[at : varying.start()]), like]
        at = varying.end()
    return "".join([*parts, re.escape(line[at:])])


def write(folder: Path, text: str) -> None:
    for name, code in files(text).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, "utf-8")


def words_here(words: list[str]) -> list[str]:
    """Return a command of the page as one of this Python."""
    module = MODULES.get(words[0], words[0])
    return [sys.executable, *(["-m", module] if module else []), *words[1:]]


def settings(port: int) -> dict[str, str]:
    """Return the environment in which servers listen on `port`, and this Python's commands are."""
    here = Path(sys.executable).parent
    return environment(
        PATH=f"{here}{os.pathsep}{os.environ['PATH']}",
        LOOPWATCH_ADMIN_PORT="0",
        UVICORN_PORT=str(port),
        GUNICORN_CMD_ARGS=f"--bind {HOST}:{port} --no-control-socket",
        PYTHONDONTWRITEBYTECODE="1",
    )


def to_its_end(words: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words_here(words),
        cwd=folder,
        env=settings(0),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Started:
    """A command that runs, and what it has written."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path, port: int) -> None:
        self.pid, self.port, self._process, self._output = process.pid, port, process, output

    def output(self) -> str:
        return self._output.read_text("utf-8", errors="replace")

    def ask(self, url: str) -> None:
        """Ask for the page's URL, at the port of this test, until it is answered."""
        at = url.replace(":8000", f":{self.port}")

        def answered() -> bool:
            with suppress(httpx.TransportError):  # not up yet
                return httpx.get(at, timeout=20, trust_env=False).status_code == 200
            return False

        self.wait_for(answered)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        ended = False
        while not condition():
            assert not ended, self.output()
            assert time.monotonic() < deadline, self.output()
            ended = self._process.poll() is not None
            time.sleep(0.2)


@contextmanager
def started(words: list[str], folder: Path, port: int, **more: str) -> Iterator[Started]:
    """Start a command of the page, and end it with all that it has started."""
    output = folder / "output"
    there = [word.replace("8000", str(port)) for word in words_here(words)]
    with output.open("wb") as file:
        process = subprocess.Popen(
            there,
            cwd=folder,
            env=settings(port) | more,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Started(process, output, port)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        print(output.read_text("utf-8", errors="replace"))
