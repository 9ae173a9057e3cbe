"""What exporters have in common, and those of one watch together.

An exporter is any object with some of these methods. A user's own needs no base class.

- `stalled(stall)`: one stall, on the delivery's thread. `Watch.add_instrument` asks for this one.
- `in_progress(stall)`: one that has not ended, from 1 s on and each time its age has doubled.
- `start(source)`: the watch begins; also after `stop`, and in a forked child that watches a loop.
  It may raise, which reaches whoever started the watch.
- `stop(source)`: the watch has stopped, and all its stalls have been delivered.
- `after_fork(source)`: in a forked child, where the threads of the parent are gone.
- `write(changed)`: before each delivery, on its thread; `changed()` returns the sites with new
  stalls. `due_in()` returns s until it should be called without any stall, None for never.
- `flush()`: a loop is watched no more; write what there is.
- `waited(measure, holds)` and `current()`: on the loop's thread, as a request that waited for holds
  ends, and for the ids of its span. These two are for the exporter of spans.
- `dropped()`: what it has left out so far, by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from loopwatch.core.guard import guarded
from loopwatch.core.record_types import SiteReading, Source

Changed = Callable[[], Iterable[SiteReading]]


class Exporters:
    """The exporters of one watch, in the order in which they are called."""

    def __init__(self, source: Source, exporters: Iterable[Any]) -> None:
        self._source = source
        self._all = tuple(exporters)
        self._started: set[int] = set()  # ids
        self._begun = False

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all)

    def add(self, exporter: Any) -> None:
        """Have one more; it is started if the others are."""
        if not any(e is exporter for e in self._all):
            self._all = (*self._all, exporter)
        if self._begun:
            self._start(exporter)

    def remove(self, exporter: Any) -> None:
        """Stop one, and forget it; nothing happens if it was not there."""
        if any(e is exporter for e in self._all):
            self._stop(exporter)
            self._all = tuple(e for e in self._all if e is not exporter)

    def start(self) -> None:
        """Start all that are not; raises what one of them raises."""
        for exporter in self._all:
            self._start(exporter)
        self._begun = True

    def stop(self) -> None:
        for exporter in self._all:
            self._stop(exporter)
        self._begun = False

    def after_fork(self) -> None:
        self._started.clear()
        self._begun = False
        for after_fork in self._having("after_fork"):
            guarded(after_fork)(self._source)

    def write(self, changed: Changed) -> None:
        for write in self._having("write"):
            guarded(write)(changed)

    def flush(self) -> None:
        for flush in self._having("flush"):
            guarded(flush)()

    def due_in(self) -> float | None:
        """Return s until `write` should be called, whatever happens; None for never."""
        waits = (due_in() for due_in in self._having("due_in"))
        return min((seconds for seconds in waits if seconds is not None), default=None)

    def spans(self) -> Any:
        """Return the exporter that knows the current span; None if there is none."""
        return next((e for e in self._all if hasattr(e, "waited")), None)

    def dropped(self) -> Counter[str]:
        """Return what all have left out, by reason."""
        whole: Counter[str] = Counter()
        for dropped in self._having("dropped"):
            whole.update(dropped())
        return whole

    def _start(self, exporter: Any) -> None:
        if id(exporter) not in self._started:
            if (start := getattr(exporter, "start", None)) is not None:
                start(self._source)
            self._started.add(id(exporter))

    def _stop(self, exporter: Any) -> None:
        if id(exporter) in self._started:
            self._started.discard(id(exporter))
            if (stop := getattr(exporter, "stop", None)) is not None:
                guarded(stop)(self._source)

    def _having(self, method: str) -> list[Any]:
        found = (getattr(exporter, method, None) for exporter in self._all)
        return [bound for bound in found if bound is not None]
