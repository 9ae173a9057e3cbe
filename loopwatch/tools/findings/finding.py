"""A finding: one culprit on one line, as tools for code review want it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from loopwatch.core.causes import label
from loopwatch.core.record_types import NONE, Frame, Stall
from loopwatch.core.safe_text import safe
from loopwatch.tools.findings.fingerprint import culprit_id

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What held the loop at one line, in one test or many. Durations are seconds."""

    id: str  # see `fingerprint`
    cause: str
    site: str  # module.qualname, `_NONE` where no site is known
    file: str = ""  # empty: no line is known
    line: int = 0
    code: str = ""
    exact: bool = True
    route: str | None = None
    method: str | None = None
    coroutine: str | None = None
    advice: str = ""
    level: Level = "warning"
    known: bool = False  # it is in the baseline
    count: int = 1  # stalls
    seconds: float = 0.0  # of held loop
    longest: float = 0.0
    victims: int = 0
    lost_request_seconds: float = 0.0
    tests: tuple[str, ...] = ()  # in which it was found
    stack: tuple[Frame, ...] = ()  # of the longest stall, outermost first

    def __add__(self, other: Finding) -> Finding:
        """Return both as one; they must be of one place. The longer stall tells the rest."""
        first = self if self.longest >= other.longest else other
        return replace(
            first,
            count=self.count + other.count,
            seconds=self.seconds + other.seconds,
            victims=self.victims + other.victims,
            lost_request_seconds=self.lost_request_seconds + other.lost_request_seconds,
            tests=tuple(dict.fromkeys((*self.tests, *other.tests))),
            level=min(self.level, other.level),  # their order is also that of the alphabet
        )

    @property
    def key(self) -> tuple[str, str, int, bool]:
        """What findings of one place have in common."""
        return self.id, self.file, self.line, self.known

    def told(self) -> str:
        """Return what happened, without the line."""
        whom = self.code or (
            self.site if self.site != NONE else self.coroutine or label("many_callbacks")
        )
        what = f"the event loop was held for {self.longest:.3f} s by {whom}: {label(self.cause)}"
        route = f" ({self.method or ''} {self.route}".replace("( ", "(") + ")" if self.route else ""
        often = f", {self.count} times" if self.count > 1 else ""
        return safe(what + route + often)


def of_stall(stall: Stall, level: Level, test: str, known: bool = False) -> Finding:
    """Return one stall of one test as a finding."""
    site, who = stall.site, responsible(stall)
    return Finding(
        id=culprit_id(stall.route, site.function, stall.cause, who),
        cause=stall.cause,
        site=site.function,
        file=site.file,
        line=site.line,
        code=site.code,
        exact=site.exact,
        route=stall.route,
        method=stall.method,
        coroutine=who,
        advice=stall.advice,
        level=level,
        known=known,
        seconds=stall.duration,
        longest=stall.duration,
        victims=stall.victims,
        lost_request_seconds=stall.lost_request_seconds,
        tests=(test,),
        stack=stall.stack,
    )


def responsible(stall: Stall) -> str | None:
    """Return the coroutine, or of a tick of many callbacks the one that took most of it."""
    return stall.contributors[0].coroutine if stall.contributors else stall.coroutine


def read(data: Mapping[str, Any]) -> Finding:
    """Return what `plain` made of a finding as one again."""
    rest = {"tests": tuple(data["tests"]), "stack": tuple(Frame(**f) for f in data["stack"])}
    return Finding(**{**data, **rest})


def merged(findings: list[Finding]) -> list[Finding]:
    """Return one finding for each place, most seconds first."""
    places: dict[Any, Finding] = {}
    for finding in findings:
        known = places.get(finding.key)
        places[finding.key] = finding if known is None else known + finding
    return sorted(places.values(), key=lambda f: -f.seconds)


def relative(file: str, root: Path) -> str:
    """Return a path as it is in the repository, with `/`; one outside of it stays whole."""
    path = os.path.relpath(file, root) if os.path.isabs(file) else file
    return (file if path.startswith("..") else path).replace(os.sep, "/")
