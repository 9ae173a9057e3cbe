"""A made-up `/proc`, and what py-spy would say of it."""

import json
import os
from pathlib import Path
from typing import Any

from loopwatch.tools.attach.process_tree import ProcessTree

PARKED = "232 0x3 0x7f00 0x2 0x64 0x0 0x0 0x7ffd 0x7f18\n"
SLEEPING = "230 0x1 0x0 0x7ffd 0x0 0x0 0x0 0x7ffd 0x7f19\n"
RUNNING = "running\n"
LENGTH = 100  # characters of a `syscall`
STDLIB = "/usr/lib/python3.13"
INSTALLED = "/venv/lib/python3.13/site-packages"
LOOP = [
    ("BaseEventLoop._run_once", f"{STDLIB}/asyncio/base_events.py", 1933),
    ("BaseEventLoop.run_forever", f"{STDLIB}/asyncio/base_events.py", 638),
    ("Runner.run", f"{STDLIB}/asyncio/runners.py", 118),
    ("<module>", "/venv/bin/uvicorn", 8),
]
IDLE = [("EpollSelector.select", f"{STDLIB}/selectors.py", 468), *LOOP]


def busy(app: Path, *inner: tuple[str, str, int]) -> list[tuple[str, str, int]]:
    """Return a stack in an app's handler; `inner` comes before it."""
    return [
        *inner,
        ("handler", str(app), 4),
        ("App.__call__", f"{INSTALLED}/starlette/applications.py", 90),
        ("RequestCycle.run_asgi", f"{INSTALLED}/uvicorn/protocols/http/h11_impl.py", 403),
        ("Handle._run", f"{STDLIB}/asyncio/events.py", 84),
        *LOOP,
    ]


def thread(
    frames: list[tuple[str, str, int]], tid: int = 100, gil: bool = False, name: str = "MainThread"
) -> dict[str, Any]:
    spelled = [{"name": f, "filename": file, "line": line} for f, file, line in frames]
    return {"os_thread_id": tid, "thread_name": name, "owns_gil": gil, "frames": spelled}


class FakeProc:
    """A tree of processes in a folder; `py_spy` is a command that prints what `dump` was given."""

    def __init__(self, folder: Path) -> None:
        self.root, self.tree = folder / "proc", ProcessTree(folder / "proc")
        self.py_spy, self._said = str(folder / "py-spy"), folder / "said.json"
        self.root.mkdir()
        Path(self.py_spy).write_text(f'#!/bin/sh\nexec cat "{self._said}"\n')
        os.chmod(self.py_spy, 0o755)
        self.dump()

    def dump(self, *threads: dict[str, Any]) -> None:
        self._said.with_suffix(".new").write_text(json.dumps(threads))
        os.replace(self._said.with_suffix(".new"), self._said)

    def fails(self, complaint: str) -> None:
        Path(self.py_spy).write_text(f'#!/bin/sh\necho "Error: {complaint}" >&2\nexit 1\n')

    def process(self, pid: int, parent: int = 1, call: str = PARKED, state: str = "S") -> None:
        folder = self.root / str(pid) / "task" / str(pid)
        folder.mkdir(parents=True)
        (self.root / f"{pid}/comm").write_text("uvicorn\n")
        (self.root / f"{pid}/stat").write_text(f"{pid} (a (b) c) {state} {parent} 0 0\n")
        (self.root / f"{pid}/maps").write_text("")
        os.symlink("/", self.root / f"{pid}/root")
        self.thread(pid, pid, call)

    def call(self, pid: int, tid: int, call: str) -> None:
        """Change a call in place: no reader finds the file empty."""
        with (self.root / f"{pid}/task/{tid}/syscall").open("r+") as file:
            file.write(call.rstrip("\n").ljust(LENGTH))

    def thread(self, pid: int, tid: int, call: str, voluntary: int = 5) -> None:
        folder = self.root / f"{pid}/task/{tid}"
        folder.mkdir(exist_ok=True)
        (folder / "syscall").write_text(call.rstrip("\n").ljust(LENGTH))
        (folder / "schedstat").write_text("2000000000 500000000 7\n")
        status = f"Name:\tx\nState:\tS (sleeping)\nUid:\t{os.geteuid()}\t0\t0\t0\n"
        (folder / "status").write_text(f"{status}voluntary_ctxt_switches:\t{voluntary}\n")
