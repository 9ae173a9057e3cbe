"""What latency would be if the app were different, on all loops of a watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from loopwatch.core.record_types import Stall
from loopwatch.core.recording import Recording
from loopwatch.replay.loop_replay import ABSENT, LoopReplay
from loopwatch.replay.prediction import Prediction, joined
from loopwatch.replay.shared_places import SharedPlaces
from loopwatch.replay.worker_model import UNBOUNDED

NO_RECORDING = "nothing was recorded: no loop has a flight recorder"


class Replay:
    """Predictions from the latest 30 s of each loop, by replay.

    The same requests arrive, at the same moments; their steps run, wait and queue as they did,
    except for what is different. Clients that wait for an answer before they send the next request
    would send it earlier or later then: that is not followed.

    Args:
        recordings: one for each loop.
        stalls: those that were seen meanwhile.
        since: requests that arrived before this Unix time, s, do not count.
    """

    def __init__(
        self, recordings: Iterable[Recording], stalls: Iterable[Stall] = (), since: float = 0.0
    ) -> None:
        stalls = tuple(stalls)
        self._loops = [
            LoopReplay(one, stalls, since - one.unix if since else 0.0) for one in recordings
        ]

    @property
    def shared(self) -> Sequence[SharedPlaces]:
        """The semaphores, locks and pools for which requests waited for each other."""
        return [shared for loop in self._loops for shared in loop.shared]

    def as_it_was(self) -> Prediction:
        """Return what a replay gives in which nothing is different; with a reason if that is not
        what was measured. Then nothing else is predicted either."""
        return self._together(lambda loop: loop.checked)

    def without(self, *sites: str) -> Prediction:
        """Return the prediction if what sites (as in `Site.function`) do to hold the loop were done
        in threads: it takes as long, but off the loop. If it works in Python, as the cause of its
        stalls says, threads and loop share the GIL."""
        return self._together(lambda loop: loop.elsewhere(sites))

    def in_threads(self, *sites: str, threads: int, gil: bool | None = None) -> Prediction:
        """Return the prediction if that were done by a pool of so many threads; raises ValueError
        if it is below 1.

        Args:
            gil: whether it works with the GIL; None: as the cause of its stalls says.
        """
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        return self._together(lambda loop: loop.elsewhere(sites, threads, gil=gil))

    def in_processes(self, *sites: str, processes: int = UNBOUNDED) -> Prediction:
        """Return the prediction if so many other processes did that; raises ValueError if it is
        below 1."""
        if processes < 1:
            raise ValueError(f"processes must be at least 1, got {processes}")
        return self._together(lambda loop: loop.elsewhere(sites, processes, gil=False))

    def removed(self, *sites: str) -> Prediction:
        """Return the prediction if that were not done at all."""
        return self._together(lambda loop: loop.removed(sites))

    def with_places(self, route: str, places: int) -> Prediction:
        """Return the prediction if the semaphore, lock or pool for which requests of a route wait
        had so many places; raises ValueError if that is below 1."""
        if places < 1:
            raise ValueError(f"places must be at least 1, got {places}")
        return self._together(lambda loop: loop.with_places(route, places))

    def _together(self, ask: Callable[[LoopReplay], Prediction]) -> Prediction:
        """Return the predictions of all loops; one that was not concerned is as it was."""
        found = [(loop, ask(loop)) for loop in self._loops]
        concerned = [one for _, one in found if not one.reason.startswith(ABSENT)]
        if not found:
            return Prediction(reason=NO_RECORDING)
        if not concerned:
            return found[0][1]
        return joined(
            loop.as_it_was if one.reason.startswith(ABSENT) else one for loop, one in found
        )
