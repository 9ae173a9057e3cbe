"""The demo's own visitors and their report: a thread beside the server."""

import json
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import uvicorn

from examples.demo.child_process import ChildProcess
from examples.demo.console import Console
from examples.demo.culprits import Culprit, culprits, table
from loopwatch import Watch

LOAD_SECONDS = 9.0
RESERVE = 2.0  # s of `--seconds` for the last answers and the table
TICK = 0.1  # s


class Tour(threading.Thread):
    """Waits for the server, loads it, prints the culprits, and ends the server in time."""

    def __init__(
        self,
        server: uvicorn.Server,
        watch: Watch,
        console: Console,
        url: str,
        ends_at: float | None,  # on time.monotonic's clock
    ) -> None:
        super().__init__(name="tour", daemon=True)
        self._server, self._watch, self._console = server, watch, console
        self._url, self._ends_at = url, ends_at
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._server.started and not self._leaving:
            self._stopped.wait(TICK)
        if not self._leaving:
            self._load(self._load_seconds())
        while not self._leaving:
            self._stopped.wait(TICK)
        self._server.should_exit = True

    def stop(self) -> None:
        """End the load, if it still runs, and wait for the thread."""
        self._stopped.set()
        self.join(timeout=5)

    @property
    def _leaving(self) -> bool:
        in_time = self._ends_at is None or time.monotonic() < self._ends_at
        return self._interrupted or not in_time

    @property
    def _interrupted(self) -> bool:
        return self._stopped.is_set() or self._server.should_exit

    def _load_seconds(self) -> float:
        if self._ends_at is None:
            return LOAD_SECONDS
        left = self._ends_at - time.monotonic() - RESERVE
        return max(1.0, min(LOAD_SECONDS, left))

    def _load(self, seconds: float) -> None:
        self._console.line(f"Serving on {self._url}, and visiting it for {seconds:.0f} s.")
        child = ChildProcess("examples.demo.load", [f"--url={self._url}", f"--seconds={seconds}"])
        report: dict[str, Any] = {}
        for line in child.lines:  # one every 0.2 s
            report = json.loads(line)
            self._console.progress(self._progress(report, seconds))
            if self._leaving:
                break
        child.stop()
        self._console.end_progress()
        self._tell(report)
        if not self._interrupted:
            self._point_on()

    def _progress(self, report: dict[str, Any], seconds: float) -> str:
        elapsed = min(report["elapsed"], seconds)
        return (
            f"{elapsed:4.1f} of {seconds:.0f} s: {report['sent']} requests sent, "
            f"{report['answered']} answered, {len(self._watch.stalls)} stalls"
        )

    def _tell(self, report: dict[str, Any]) -> None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        found = culprits(self._watch.stalls)
        self._console.line(f"\n{headline(found)}\n")
        for line in table(found, width):
            self._console.line(line)
        if report.get("good_median"):
            self._console.line(summary(report))

    def _point_on(self) -> None:
        say = self._console.line
        say(f"\nMetrics     {self._url}/metrics")
        say(f"Live page   {self._url}/loopwatch/")
        say(f"All routes  {self._url}/docs (bad and good twins: examples/demo/README.md)")
        if self._ends_at is None:
            say("\nServing until Ctrl-C.")


def headline(found: Sequence[Culprit]) -> str:
    """Return how often the loop was held, and how long requests waited."""
    stalls = sum(len(culprit.stalls) for culprit in found)
    lost = sum(culprit.lost for culprit in found)
    held = f"Who held the event loop for 0.1 s or longer: {stalls} stalls"
    return f"{held}, for which requests waited {lost:.0f} s"


def summary(report: dict[str, Any]) -> str:
    """Return a paragraph about the visitors' requests."""
    unanswered = f", {report['failed']} failed" if report["failed"] else ""
    return (
        f"\n{report['answered']} of {report['sent']} requests answered{unanswered}. "
        f"Those to good routes took {report['good_median']:.2f} s in the median and "
        f"{report['good_slowest']:.2f} s at worst:\n"
        "they waited behind the bad ones."
    )
