"""The directory that processes share their counters in, and a source of what is written there."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import Snapshot
from loopwatch.exporters import multiprocess

from ..conftest import private_watch
from .scrape import Scrape

COUNT = "loopwatch_stall_seconds_count"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of the mode, which is on meanwhile: as a fresh process has it."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())  # type: ignore[no-untyped-call]
    monkeypatch.setattr("loopwatch.core.guard._told", {})
    yield tmp_path
    multiprocess._places.clear()
    multiprocess._first.clear()


def another_process(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Write as if from another process; 0: this one, begun anew."""
    made = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: number or os.getpid()
    )
    monkeypatch.setattr(values, "ValueClass", made)


def summed(folder: Path) -> Scrape:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return Scrape(registry)


class Fake:
    """A source whose reading is what it was last told to be."""

    def __init__(self) -> None:
        watch = private_watch()
        self.now = watch.snapshot()

    def snapshot(self, *, recent: bool = True) -> Snapshot:
        return self.now

    def lag(self, *counts: int) -> None:
        rest = len(SECONDS_EDGES) + 1 - len(counts)
        numbers = (*counts, *(0,) * rest)
        self.now = replace(
            self.now, lag=Histogram(SECONDS_EDGES, numbers, tuple(map(float, numbers)))
        )

    def label(self, name: str) -> None:
        more = (name, Histogram.of_first(SECONDS_EDGES, 1, 0.0))
        self.now = replace(self.now, timed=(*self.now.timed, more))
