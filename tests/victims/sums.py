"""Do victims and lost request-seconds of the stalls, and the matrix of blame, add up?"""

from collections.abc import Iterator

from .recount import EDGE, Loss, Recount
from .rows import Row, Sum, added, agreement, stall_by_stall, total
from .trial import Trial

MANY = 10  # victims from which a single stall is judged
MOST = 0.9  # of these must be within the bound: what a moment nobody knows adds is by chance


class Sums:
    """The questions about stalls; `bound` is the share by which a sum may be off."""

    def __init__(self, trial: Trial, recount: Recount, bound: float) -> None:
        self.trial, self.recount, self.bound = trial, recount, bound
        self.losses = {number: recount.losses(number) for number in trial.stalls}

    def rows(self) -> Iterator[Row]:
        yield from self.totals()
        yield from self.by_victim()
        yield from self.stalls()
        yield from self.matrix()

    def all_losses(self) -> Iterator[tuple[int, Loss]]:
        for losses in self.losses.values():
            yield from losses.items()

    def totals(self) -> Iterator[Row]:
        stalls = self.trial.stalls.values()
        victims = sum(stall["victims"] for stall in stalls)
        seconds = sum(stall["lost_request_seconds"] for stall in stalls)
        lost = sum(loss.lost for _, loss in self.all_losses())
        expected = sum(loss.queued + loss.expected for _, loss in self.all_losses())
        yield total("recount: victims", victims, len([*self.all_losses()]), self.bound)
        yield total("recount: lost request-seconds", seconds, lost, self.bound)
        yield total("  the unknown as expected", seconds, expected, None)

    def by_victim(self) -> Iterator[Row]:
        route = {request.number: request.route for request in self.recount.requests}
        truth = added((route[number], loss.lost) for number, loss in self.all_losses())
        told = added((blame["victim_route"], blame["seconds"]) for blame in self.trial.blames)
        for name in sorted(truth.keys() | told.keys()):
            yield total(f"  lost by {name}", told.get(name, 0.0), truth.get(name, 0.0), None)

    def stalls(self) -> Iterator[Row]:
        many = {number: list(losses.values()) for number, losses in self.losses.items()}
        many = {number: losses for number, losses in many.items() if len(losses) >= MANY}
        victims = [self.victims(number, losses) for number, losses in many.items()]
        expected = [self.lost(n, [x.queued + x.expected for x in many[n]]) for n in many]
        real = [self.lost(n, [x.lost for x in many[n]]) for n in many]
        yield stall_by_stall("each stall: victims", victims, self.bound, MOST)
        yield stall_by_stall("each stall: lost, unknown as expected", expected, self.bound, MOST)
        yield stall_by_stall("each stall: lost, as it was", real, self.bound, None)

    def victims(self, number: int, losses: list[Loss]) -> Sum:
        """Whoever lost next to nothing may be counted or not."""
        told, most = self.trial.stalls[number]["victims"], len(losses)
        least = sum(loss.lost >= EDGE for loss in losses)
        error = max(0, least - told, told - most) / most
        return Sum(f"block {number}", error, f"{told} of {least} to {most}")

    def lost(self, number: int, seconds: list[float]) -> Sum:
        told, truth = self.trial.stalls[number]["lost_request_seconds"], sum(seconds)
        return Sum(f"block {number}", abs(told / truth - 1), f"{told:.3f} s of {truth:.3f} s")

    def matrix(self) -> Iterator[Row]:
        blames, stalls = self.trial.blames, self.trial.stalls.values()
        records = self.trial.recent.values()
        row = [(blame["site"], blame["culprit_route"]) for blame in blames]
        of = [(stall["site"]["function"], stall["route"]) for stall in stalls]
        yield agreement(
            "matrix: seconds of rows are the stalls'",
            added(zip(row, (blame["seconds"] for blame in blames), strict=True)),
            added(zip(of, (stall["lost_request_seconds"] for stall in stalls), strict=True)),
        )
        yield agreement(
            "matrix: counts of rows are the stalls'",
            added(zip(row, (blame["count"] for blame in blames), strict=True)),
            added(zip(of, (stall["victims"] for stall in stalls), strict=True)),
        )
        yield agreement(
            "matrix: cells are the requests' blames",
            added(
                ((b["site"], b["culprit_route"], b["victim_route"]), b["seconds"]) for b in blames
            ),
            added(
                ((b["site"], b["route"], record["route"]), b["seconds"])
                for record in records
                for b in record["blames"]
            ),
        )
