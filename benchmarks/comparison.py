"""The results of the turns: variants against the bare app of the same round, and the bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TypeAlias

from schedule import AGAIN, BARE, Schedule
from table import label, markdown, percent, spread
from turns import Round, Turns

Place: TypeAlias = tuple[str, str]  # app and loop
CPU_AT_MOST = 1.02  # a request, over bare
P99_AT_MOST = 1.15  # over bare; or bare against itself, if that is more
SHOWN = [
    *(("p50", 1e3, ".2f"), ("p99", 1e3, ".2f"), ("cpu", 1e6, ".0f")),
    *(("busy", 1, ".0%"), ("collections", 1, ".1f")),
]
HEAD = [
    *("app, loop, requests/s", "variant", "p50, ms", "p99, ms", "CPU, µs a request", "busy"),
    "full collections a second",
    *("p50 over bare", "p99 over bare", "CPU over bare: median (min to max)"),
]


@dataclass
class Comparison:
    schedule: Schedule
    turns: dict[Place, Turns] = field(default_factory=dict)
    reasons: dict[Place, str] = field(default_factory=dict)

    def figures(self, place: Place, row: str, name: str) -> list[float]:
        """Return a figure of each round."""
        turns = self.turns.get(place)
        return [getattr(done[row], name) for done in turns.rounds if row in done] if turns else []

    def ratios(self, place: Place, row: str, name: str) -> list[float]:
        """Return the ratio of a figure to the bare app's, for each round."""
        pairs = zip(self.figures(place, row, name), self.figures(place, BARE, name), strict=True)
        return [mine / base for mine, base in pairs]

    def table(self) -> str:
        rows = [self._row(place, row) for place in self.turns for row in self.schedule.rows()]
        return "\n\n".join(filter(None, [markdown(HEAD, rows), "\n".join(self._notes())]))

    def json(self) -> str:
        return json.dumps([self._turned(place) for place in self.turns], indent=1)

    def exceeded(self) -> Iterator[str]:
        """Yield a sentence for each bound that loopwatch exceeds or was not measured by."""
        for place in self.schedule.places():
            if self.figures(place, "loopwatch", "cpu"):
                yield from self._exceeded(place)
            else:
                yield f"loopwatch was not measured on {', '.join(place)}"

    def _exceeded(self, place: Place) -> Iterator[str]:
        where = f"loopwatch on {', '.join(place)},"
        cpu, p99 = (median(self.ratios(place, "loopwatch", name)) for name in ("cpu", "p99"))
        allowed = max(P99_AT_MOST, *self.ratios(place, AGAIN, "p99"))
        if cpu > CPU_AT_MOST:
            must = f"{where} must use at most {percent(CPU_AT_MOST)} of CPU a request over bare"
            yield f"{must}: it uses {percent(cpu)}"
        if p99 > allowed:
            must = f"{where} must have a p99 of at most {percent(allowed)} over bare"
            yield f"{must}: it has {percent(p99)}"

    def _row(self, place: Place, row: str) -> list[str]:
        turns = self.turns[place]
        head = [f"{', '.join(place)}, {turns.rate:.0f}" if row == BARE else "", label(row)]
        if row in turns.reasons:
            return [*head, *["n/a"] * 8]
        return [*head, *self._medians(place, row), *self._spreads(place, row)]

    def _medians(self, place: Place, row: str) -> Iterator[str]:
        for name, scale, form in SHOWN:
            yield format(median(self.figures(place, row, name)) * scale, form)

    def _spreads(self, place: Place, row: str) -> list[str]:
        if row == BARE:
            return [""] * 3
        return [spread(self.ratios(place, row, name)) for name in ("p50", "p99", "cpu")]

    def _notes(self) -> Iterator[str]:
        for place, turns in self.turns.items():
            at = ", ".join(place)
            for row, why in turns.reasons.items():
                yield f"- n/a: {label(row)} ({at}): {why}"
            if turns.disturbed:
                rounds = f"rounds counted: {len(turns.rounds)}, left out: {len(turns.disturbed)}"
                yield f"- {at}: {rounds}, because other processes had the processors"
        for place, why in self.reasons.items():
            yield f"- n/a: {', '.join(place)}: {why}"

    def _turned(self, place: Place) -> dict[str, object]:
        turns = self.turns[place]
        where = {"app": place[0], "loop": place[1], "rate": turns.rate}
        return {**where, "rounds": _told(turns.rounds), "disturbed": _told(turns.disturbed)}


def _told(rounds: list[Round]) -> list[dict[str, dict[str, float]]]:
    return [{row: asdict(seen) for row, seen in done.items()} for done in rounds]
