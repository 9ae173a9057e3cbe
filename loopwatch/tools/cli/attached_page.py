"""A process that `loopwatch attach` looks at, read like a live page."""

from __future__ import annotations

from typing import Any, Protocol

from loopwatch.tools.attach import attach_refusal
from loopwatch.tools.attach.inside_session import InsideError, InsideSession
from loopwatch.tools.attach.observer import Observer
from loopwatch.tools.attach.process_tree import ProcessTree
from loopwatch.tools.cli.command_error import CommandError

REQUESTS = "loopwatch run and LoopWatchMiddleware know them."


class AttachedPage(Protocol):
    """What both ways have."""

    is_busy: bool  # never: as a live page has it
    view: str  # from where it is seen
    remark: str  # what cannot be known, for the screen
    unknown: tuple[str, ...]  # the same, for the report
    readable: bool  # whether the process's paths mean the same files here

    @property
    def url(self) -> str:
        """What is looked at, in words."""

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""

    def read(self, name: str) -> Any:
        """Return `snapshot.json`; raises CommandError for any other, and once it cannot be read."""

    def snapshot(self) -> Any:
        """Return the same."""

    def requests(self) -> Any:
        """Return None: requests in flight are not told."""

    def settle(self) -> None:
        """Look no more; what was seen last is then counted."""

    def close(self) -> None:
        """Leave the process alone."""


class Page:
    """What is the same in both."""

    is_busy = False

    def read(self, name: str) -> Any:
        if name != "snapshot.json":
            raise CommandError(f"an attached process has snapshot.json only, got {name}")
        return self.snapshot()

    def snapshot(self) -> Any:
        raise NotImplementedError

    def requests(self) -> Any:
        return None


class OutsidePage(Page):
    """A process and its children, seen from outside; raises AttachError if they cannot be."""

    view = "from outside"
    remark = "Seen from outside: routes, requests, victims and lag are not known."
    unknown: tuple[str, ...] = (
        "Seen from outside, by the system call of the loop's thread and py-spy: routes, requests, "
        f"victims and lag cannot be known. {REQUESTS}",
        "Causes are told from outside: C code that keeps the GIL shows as cpu, and garbage "
        "collections and a tick of many callbacks as what they ran in.",
    )

    def __init__(self, pid: int, threshold: float) -> None:
        self._pid = pid
        self._observer = Observer(pid, attach_refusal.py_spy(), threshold)
        self._observer.start()
        self.readable = self._observer.readable

    @property
    def url(self) -> str:
        """What is looked at: the process, and those of its children that have loops."""
        others = [str(one) for one in self._observer.processes if one != self._pid]
        return f"process {self._pid}" + (f" with {', '.join(others)}" if others else "")

    @property
    def alive(self) -> bool:
        return self._observer.alive

    def snapshot(self) -> Any:
        return self._observer.snapshot().to_dict()

    def settle(self) -> None:
        self._observer.stop()

    def close(self) -> None:
        self._observer.stop()


class InsidePage(Page):
    """A process with a probe in it; raises InsideError if there can be none."""

    view = "from inside"
    remark = "The app was not wrapped when it started: routes, requests and victims are not known."
    unknown: tuple[str, ...] = (
        "Seen by a probe that sys.remote_exec started in the process, on the loop of its main "
        "thread. The app was not wrapped when it started, so routes, requests and victims are not "
        f"known. {REQUESTS}",
    )

    def __init__(self, pid: int, threshold: float) -> None:
        self._tree, self._pid = ProcessTree(), pid
        self.readable = True  # a session is only for a process that shares our files
        self._session = InsideSession(pid, threshold, self._tree)

    @property
    def url(self) -> str:
        return f"process {self._pid}"

    @property
    def alive(self) -> bool:
        return self._tree.exists(self._pid)

    def snapshot(self) -> Any:
        try:
            return self._session.snapshot()
        except InsideError as error:
            raise CommandError(str(error)) from error

    def settle(self) -> None:
        """Its last stalls are known at once."""

    def close(self) -> None:
        self._session.close()
