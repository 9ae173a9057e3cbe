"""Is the latency of each request true, and is each of its four parts?"""

from collections.abc import Callable, Iterator

from .recount import Recount, Request, Span
from .rows import Case, Row, in_all, within
from .trial import Trial

CLOSE = 0.005  # s
MOST = 0.99  # share of the requests
SUM = 1e-6  # s
PARTS = ("queued", "running", "stalled", "waiting")


class Parts:
    """The questions about single requests."""

    def __init__(self, trial: Trial, recount: Recount) -> None:
        self.trial, self.recount = trial, recount
        self.judged = [*trial.judged()]
        blocks = [*recount.blocks().values()]
        self.into = {
            r.number for r in recount.requests if any(block.holds(r.sent) for block in blocks)
        }
        self.hit = {how: self.ready_in(blocks, how) for how in ("soon", "timer", "outside")}
        self.in_line = {
            r.number
            for r in recount.requests
            for ready in r.ready
            if ready.how == "soon" and any(ready.span.holds(block.start) for block in blocks)
        }

    def ready_in(self, blocks: list[Span], how: str) -> set[int]:
        """Return who became ready that way in a block."""
        return {
            r.number
            for r in self.recount.requests
            for ready in r.ready
            if ready.how == how and any(block.holds(ready.span.start) for block in blocks)
        }

    def rows(self) -> Iterator[Row]:
        yield from self.records()
        yield from self.latency_and_queued()
        yield from self.running_and_stalled()
        yield self.sums()
        yield self.blamed()

    def records(self) -> Iterator[Row]:
        trial, count = self.trial, len(self.trial.requests)
        got = len(trial.recent) / count
        yield Row("a record of each request", "", count, got, 1.0)
        yield from (Row("fault", "", 1, 0.0, 1.0, fault) for fault in trial.faults)
        yield Row("judged: those nothing disturbed", "", count, trial.undisturbed, None)

    def cases(
        self,
        part: str,
        truth: Callable[[Request], float],
        chosen: Callable[[Request], bool] = lambda request: True,
    ) -> list[Case]:
        recent = self.trial.recent
        return [Case(r, truth(r), recent[r.number][part]) for r in self.judged if chosen(r)]

    def latency_and_queued(self) -> Iterator[Row]:
        def latency(request: Request) -> float:
            return request.received - request.sent

        def queued(request: Request) -> float:
            return request.begun - request.sent

        into = self.cases("queued", queued, lambda r: r.number in self.into)
        others = self.cases("queued", queued, lambda r: r.number not in self.into)
        yield within("latency: as the client", self.cases("latency", latency), CLOSE, MOST)
        yield within("queued: sent into a block", into, CLOSE, MOST)
        yield within("queued: all others", others, CLOSE, MOST)

    def running_and_stalled(self) -> Iterator[Row]:
        def running(request: Request) -> float:
            return request.block.end - request.block.start if request.block else 0.0

        stalled = self.recount.stalled
        outside, timer = self.hit["outside"], self.hit["timer"] - self.in_line
        never = self.cases("stalled", stalled, lambda r: not self.became_ready(r))
        timers = self.cases("stalled", stalled, lambda r: r.number in timer)
        answers = self.cases("stalled", stalled, lambda r: r.number in outside - self.in_line)
        in_line = self.cases("stalled", stalled, lambda r: r.number in self.in_line)
        blocks = self.cases("running", running, lambda r: r.block is not None)
        exact = "timer" in self.recount.known
        yield within("running: of who blocked", blocks, CLOSE, MOST)
        yield within("stalled: not ready in any block", never, CLOSE, MOST)
        yield within("stalled: a timer was due in a block", timers, CLOSE, MOST if exact else None)
        yield within("stalled: an answer came in a block", answers, CLOSE, None)
        yield within("stalled: in line as a block began", in_line, CLOSE, None)
        yield in_all("  in all, s: in line", in_line)
        yield in_all("  in all, s: timers", timers)
        yield in_all("  in all, s: answers", answers)

    def became_ready(self, request: Request) -> bool:
        return any(request.number in numbers for numbers in (*self.hit.values(), self.in_line))

    def sums(self) -> Row:
        """The four parts of every request, disturbed or not."""
        off = []
        for number, record in self.trial.recent.items():
            parts = [record[part] for part in PARTS]
            if abs(sum(parts) - record["latency"]) > SUM or min(parts) < 0.0:
                off.append(f"number {number}: {record}")
        return self.all_but("sum: the four parts are the latency", off)

    def blamed(self) -> Row:
        off = []
        for number, record in self.trial.recent.items():
            seconds = sum(blame["seconds"] for blame in record["blames"])
            if seconds > record["queued"] + record["stalled"] + SUM:
                off.append(f"number {number}: {record}")
        return self.all_but("blamed: no more than queued and stalled", off)

    def all_but(self, what: str, off: list[str]) -> Row:
        count = len(self.trial.recent)
        got = 1 - len(off) / count if count else None
        return Row(what, "1 us", count, got, 1.0, "".join(off[:1]), firm=True)
