"""What a watch gives of its loops' flight recorders: recordings, traces, replays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loopwatch.core import options
from loopwatch.core.record_types import Stall
from loopwatch.core.recording import Recording
from loopwatch.watch.attaching import Attaching
from loopwatch.watch.flight import SPAN

if TYPE_CHECKING:
    from loopwatch.replay.replay import Replay


class RecordedLoops(Attaching):
    """The part of a watch that reads flight recorders."""

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """The latest stalls, oldest first."""
        raise NotImplementedError

    def recordings(self, seconds: float = SPAN) -> tuple[Recording, ...]:
        """Return the last `seconds` of each watched loop as its flight recorder has them, on any
        thread; of none, the last seconds of the loop that was watched last. Empty if nothing is
        recorded. Raises TypeError if `seconds` is no number, ValueError if it is not above 0."""
        span = min(SPAN, options.seconds("seconds", seconds))
        return tuple(flight.reading(span) for flight in self._flights())

    def trace(self, seconds: float = SPAN) -> bytes:
        """Return the last `seconds` (30 at most) of all watched loops as Chrome trace events, which
        Perfetto opens: JSON, up to some 20 MB. Any thread may ask; it takes up to a second or two.
        Raises as `recordings` does."""
        from loopwatch.exporters.trace_events import TraceEvents

        return b"".join(TraceEvents(self.recordings(seconds), self.stalls).written())

    def replay(self, since: float = 0.0) -> Replay:
        """Return predictions of latency by replay of the latest 30 s, of the requests that arrived
        after `since` (Unix time, s). Any thread may ask; each takes up to a second or two."""
        from loopwatch.replay.replay import Replay

        return Replay(self.recordings(), self.stalls, since)
