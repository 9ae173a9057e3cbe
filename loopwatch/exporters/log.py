"""The log: logger `loopwatch`, one WARNING a stall, one sentence, `extra={"stall": {...}}`.

The sentence ends with the first one of the advice; all of it is in `extra["stall"]["advice"]`.

A site that stalls all the time would fill the log: each may say `BURST` sentences at once and one
more every `REFILL` seconds. The next sentence tells how many were left out; metrics count all.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from loopwatch.core.causes import CAUSES
from loopwatch.core.guard import say
from loopwatch.core.holds import Hold
from loopwatch.core.record_types import NONE, Contributor, Stall
from loopwatch.exporters.span_scope import within_span
from loopwatch.exporters.spans import StallSpans

BURST = 5
REFILL = 10.0  # s
SITES = 256  # remembered; when full, all start afresh
ADVICE = 200  # characters
NEARLY_ALL = 0.9  # of a tick, by one of those who took part
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


class Allowance:
    """How much one site may still say."""

    __slots__ = ("at", "left", "suppressed")

    def __init__(self, now: float) -> None:
        self.at, self.left, self.suppressed = now, float(BURST), 0

    def take(self, now: float) -> bool:
        self.left = min(BURST, self.left + (now - self.at) / REFILL)
        self.at = now
        if self.left < 1:
            self.suppressed += 1
            return False
        self.left -= 1
        return True


class StallLog:
    """An instrument that logs stalls, each within its span if `spans` is told of it next."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, spans: StallSpans | None = None
    ) -> None:
        self._clock, self._spans = clock, spans
        self._allowances: dict[tuple[str | None, str, int], Allowance] = {}
        self.suppressed = 0

    def dropped(self) -> dict[str, int]:
        return {"log": self.suppressed}

    def in_progress(self, stall: Stall) -> None:
        with within_span(stall):
            say(logging.WARNING, "%s", provisional(stall), extra={"stall": stall.to_dict()})

    def stalled(self, stall: Stall) -> None:
        self.stalled_by(stall, None)

    def stalled_by(self, stall: Stall, hold: Hold | None) -> None:
        now = self._clock()
        key = stall.route, stall.site.function, stall.site.line
        if len(self._allowances) >= SITES and key not in self._allowances:
            self._allowances.clear()
        allowance = self._allowances.setdefault(key, Allowance(now))
        if not allowance.take(now):
            self.suppressed += 1
            return
        text = sentence(stall, allowance.suppressed)
        allowance.suppressed = 0
        with within_span(stall, self._spans, hold):
            say(logging.WARNING, "%s", text, extra={"stall": stall.to_dict()})


def sentence(stall: Stall, suppressed: int = 0) -> str:
    """Return a stall as one sentence; so many of its site have not been logged before it."""
    more = f" ({suppressed} more of this site not logged since the last)" if suppressed else ""
    advice = short(stall.advice)
    told = f"{statement(stall)}{blocked(stall)}{waits(stall)}{more}"
    return f"{told}{'; advice: ' if advice else ''}{advice}"


def provisional(stall: Stall) -> str:
    """Return a stall that has not ended as one sentence."""
    wait = {0: "", 1: ", 1 request waits"}.get(stall.victims, f", {stall.victims} requests wait")
    held = f"has been holding the loop for {stall.duration:.1f} s"
    return f"{subject(stall)} {held}{place(stall)} [{stall.cause}]{blocked(stall)}{wait}"


def subject(stall: Stall) -> str:
    if stall.route:
        return f"{stall.method} {stall.route}"
    who = stall.coroutine or "something"
    return f"{who}, in a {stall.method} request without a route," if stall.method else who


def blocked(stall: Stall) -> str:
    """Return what a blocking call waited for, if that is known."""
    return f"; it {stall.blocker.text}" if stall.blocker is not None else ""


def waits(stall: Stall) -> str:
    """Return who paid for it."""
    if not stall.victims:
        return ""
    requests = "1 request" if stall.victims == 1 else f"{stall.victims} requests"
    total = " in all" if stall.victims > 1 else ""
    return f"; {requests} waited {stall.lost_request_seconds:.3g} s{total}"


def short(advice: str) -> str:
    """Return the first sentence of an advice, without its full stop."""
    first = SENTENCE_END.split(" ".join(advice.split()), maxsplit=1)[0].removesuffix(".")
    return first if len(first) <= ADVICE else f"{first[:ADVICE].rstrip()}..."


def statement(stall: Stall) -> str:
    """Return who held the loop, for how long, where and why, in the words of its cause."""
    row, said = CAUSES[stall.cause], facts(stall)
    text = row.sentence if not row.sentence_if or said[row.sentence_if] else row.sentence_else
    return f"{text.format_map(said)} [{stall.cause}]"


def facts(stall: Stall) -> dict[str, Any]:
    """Return what a sentence may speak of, and what it may depend on."""
    return {
        "who": subject(stall),
        "duration": stall.duration,
        "place": place(stall),
        "threads": ", ".join(dict.fromkeys(repr(h.thread) for h in stall.gil_holders)),
        "contributors": shares(stall),
        "no_line": stall.site.function == NONE,
        "where": place(stall) if stall.site.function != NONE else "",
        "whose": f" for {subject(stall)}" if stall.route else "",
        "cpu": stall.cpu_seconds or 0.0,
        "without_cpu": without_cpu(stall),
        "call": stall.site.code or stall.site.function,
    }


def without_cpu(stall: Stall) -> float:
    """Return for how long (s) the loop had no CPU: as was counted, else all but its CPU time."""
    counted = (stall.run_queue_seconds or 0.0) + (stall.throttled_seconds or 0.0)
    rest = stall.duration - (stall.cpu_seconds or 0.0)
    return min(counted, rest) if counted >= rest / 2 else rest


def place(stall: Stall) -> str:
    site = stall.site
    if site.function == NONE:
        return "; its line is not known"
    where = f" {'at' if site.exact else 'near'} {site.file}:{site.line}"
    phase = f", in {stall.phase}" if stall.phase else ""
    return f"{where}{' ' if site.code else ''}{site.code} in {site.function}{phase}"


def shares(stall: Stall) -> str:
    """Return who took part in a tick, and whether it was nearly all one of them."""
    parts = stall.contributors
    mostly = bool(parts) and parts[0].seconds >= NEARLY_ALL * stall.duration
    return f"nearly all of it {share(parts[0])}" if mostly else ", ".join(map(share, parts))


def share(part: Contributor) -> str:
    times = f"{part.count} times " if part.count is not None else ""
    return f"{times}{part.coroutine} {part.seconds:.3f} s"
