"""A stall that waits for its victims."""

from loopwatch.core.evidence import Slow


class Pending:
    """A watched loop with stalls to explain."""

    def __init__(self, *slows: Slow) -> None:
        self.slows = slows

    def take_pending(self) -> tuple[Slow, ...]:
        return self.slows
