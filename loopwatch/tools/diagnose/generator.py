"""Whether the load generator kept up with its plan."""

from __future__ import annotations

from loopwatch.core.quantiles import quantiles
from loopwatch.tools.diagnose.measurement import Sent
from loopwatch.tools.diagnose.report_records import Generator
from loopwatch.tools.diagnose.samples import Tally

LATE = 0.050  # s: requests that were sent later than this were late
OF_LATENCY = 0.25  # of what late requests took in all: their lateness made their latency
BUSY = 0.9  # of one core: beyond it, requests are sent late and answers are read late
UNSENT = 0.01  # of the due requests


def generator(sent: Sent) -> Generator:
    """Return how late requests were sent, and why."""
    tally = sent.tally
    late = [max(0.0, sample.late) for sample in tally.samples] or [0.0]
    p50, p99, most = quantiles((0.5, 0.99, 1.0), late)
    unsent = tally.due - len(tally.samples)
    return Generator(
        late_p50=p50,
        late_p99=p99,
        late_most=most,
        cpu=tally.cpu,
        connections=min(tally.most_in_flight, tally.limit),
        limit=tally.limit,
        unsent=unsent,
        complaints=tuple(complaints(tally, p99, unsent)),
    )


def complaints(tally: Tally, late_p99: float, unsent: int) -> list[str]:
    """Return the reasons why the latency is the generator's and not the app's."""
    found = []
    if late_p99 >= LATE and late_share(tally) >= OF_LATENCY:
        found.append(f"requests were sent up to {late_p99 * 1000:.0f} ms late (p99)")
    if tally.cpu >= BUSY:
        found.append(f"it used {tally.cpu * 100:.0f} % of a core")
    if tally.most_in_flight > tally.limit:
        found.append(
            f"{tally.most_in_flight} requests were under way at once, on the {tally.limit} "
            "connections that it may open"
        )
    if unsent > UNSENT * tally.due:
        found.append(f"{unsent} of {tally.due} due requests were never sent")
    return found


def late_share(tally: Tally) -> float:
    """Return how much of the latency of the requests that were sent late is lateness."""
    late = [sample for sample in tally.samples if sample.late >= LATE]
    latency = sum(sample.latency for sample in late)
    return sum(sample.late for sample in late) / latency if latency > 0 else 0.0
