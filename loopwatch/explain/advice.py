"""Advice: what to use instead of the very call that held the loop; failing that, by its cause.

A call is known by its name as it is written at the site, and by the frames inside it: they tell a
library from whatever object it was called on. The library nearest to the site decides. What it uses
in turn (`re`, `ssl`, `json`, another library) is its own affair. Last comes how the name ends
(`.execute`), where a C function has neither.

No advice proposes the call that stands there already.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from loopwatch.core.causes import THREAD
from loopwatch.core.memo import Memo
from loopwatch.core.record_types import Frame, Stall
from loopwatch.explain.call_names import awaited, full_name
from loopwatch.explain.circumstance import by_cause
from loopwatch.explain.held_call import HeldCall
from loopwatch.explain.making import made
from loopwatch.explain.observation import NOTHING, Observation
from loopwatch.explain.proposal import proposes
from loopwatch.explain.remedies import REMEDIES
from loopwatch.explain.remedy import WAITS, WORKS, Remedy

CALL_CAUSES = (*WAITS, *WORKS)  # else the call is innocent
GIVEN = 1024  # sentences remembered
MAKING = (*CALL_CAUSES, "gc")  # for which making an object may be to blame

NEVER_SUSPENDS = (
    "What this loop awaits is always ready, so the event loop gets no turn: add await "
    "asyncio.sleep(0) to it, every so many rounds, or bound the queue (maxsize) that feeds it."
)
ONE_ROUND = (
    " If one round of the loop around it is short, the awaits there never suspend: add await "
    "asyncio.sleep(0), or bound the queue."
)
ONCE = "Make the {name} once, when the app starts, and share it: making one takes this long."
LIBRARY = (
    f"Use the asyncio interface of {{package}}, if it has one, or {THREAD}: it waits, and holds "
    "the loop."
)
PLAIN = frozenset(  # what Python calls itself, and never awaits
    f"__{name}__"
    for name in (
        *("init", "new", "del", "enter", "exit", "post_init", "init_subclass", "get", "set"),
        *("getattr", "getattribute", "setattr", "getitem", "setitem", "iter", "next", "len"),
        *("contains", "bool", "str", "repr", "format", "eq", "lt", "hash"),
    )
)
MADE_TO = (
    " {name} is a plain function: make it async def and await it where it is called, or call it "
    "there with asyncio.to_thread."
)
INSIDE = (
    "Look inside, at the end of the stack: the call itself is as it should be, but something in it "
    "held the loop."
)


class Table:
    """Rows of advice, found by name."""

    def __init__(self, remedies: Iterable[Remedy]) -> None:
        self._remedies = tuple(remedies)
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_ending: list[tuple[str, int]] = []
        for row, remedy in enumerate(self._remedies):
            for call in remedy.calls:
                if call.startswith("*") and not call.endswith("()"):
                    self._by_ending.append((call[1:], row))
                else:
                    self._by_name[call].append(row)

    def rows(self, names: Iterable[str], endings: Sequence[str] = ()) -> list[Remedy]:
        """Return the rows for code of these names, and for how some end, in the table's order."""
        found = {row for path in endings for end, row in self._by_ending if path.endswith(end)}
        for path in names:
            for length in range(path.count(".") + 1):
                found.update(self._by_name.get(path.rsplit(".", length)[0], ()))
        return [self._remedies[row] for row in sorted(found)]


class Adviser:
    """Gives advice by a table; `extra`, call to sentence, comes before what is known."""

    def __init__(self, extra: Mapping[str, str] | None = None) -> None:
        self._extra = Table(Remedy(advice, (call,)) for call, advice in (extra or {}).items())
        self._known = Table(REMEDIES)
        self._given: Memo[tuple[object, ...], tuple[tuple[Frame, ...], str]] = Memo(GIVEN)

    def advise(self, stall: Stall, observed: Observation = NOTHING) -> str:
        """Return a sentence or two, nothing if there is nothing to say. For the same stack it is
        worked out once."""
        usual = by_cause(stall, observed.gil_released)
        key = id(stall.stack), stall.site, stall.cause, observed.never_suspends, usual
        known = self._given.get(key)
        if known is not None and known[0] is stall.stack:
            return known[1]
        advice = self._advice(stall, observed, usual)
        self._given.put(key, (stall.stack, advice))
        return advice

    def _advice(self, stall: Stall, observed: Observation, usual: str) -> str:
        call = HeldCall(stall)
        own = self._own(call) if stall.cause in CALL_CAUSES else None
        found = next((a for a in self._in_order(stall, call, observed, usual) if a), "")
        return own or found + elsewhere(stall, found, observed.plain)

    def _in_order(
        self, stall: Stall, call: HeldCall, observed: Observation, usual: str
    ) -> Iterator[str]:
        """Yield sentences, the best first; the last of them fits whatever stands there."""
        found = self._of_call(call, stall.cause) or ""
        if observed.never_suspends and stall.cause in WORKS:
            found = NEVER_SUSPENDS
        stands = stall.cause in MAKING and proposes(usual, call.stands)
        if stall.cause == "gc" and found and not stands and "gc.collect" not in call.written:
            found += f" {usual}"
        yield found
        if stall.cause == "cpu" and observed.never_suspends is None:
            usual += ONE_ROUND
        yield usual if not stands else INSIDE

    def _own(self, call: HeldCall) -> str | None:
        """Return the user's own sentence for whatever the call is, or runs through."""
        names = (call.function, *call.written, *call.inside)
        return next((row.advice for row in self._extra.rows(names, call.written)), None)

    def _of_call(self, call: HeldCall, cause: str) -> str | None:
        """Return what is known of a call, if it is to blame."""
        tiers = call.tiers()
        first = [*advices(self._known.rows(next(tiers)), call, cause)]
        kept = made(call.paths, call.nearest, call.names) if cause in MAKING else None
        if kept is not None and (cause != "blocking_call" or not first):
            return next((advice for advice in first if "once" in advice), ONCE.format(name=kept))
        if first:
            return first[0]
        rest = (row for names in tiers for row in self._known.rows(names))
        ending = (row for row in self._known.rows((), call.written))
        found = next(advices(itertools.chain(rest, ending), call, cause), None)
        return found or library(call, cause)


def elsewhere(stall: Stall, advice: str, plain: bool) -> str:
    """Return where to do what is to be awaited, if the site's function can await nothing; if it is
    `plain`, it could."""
    name = stall.site.function.rpartition(".")[2]
    if stall.cause not in WAITS or not stall.site.code or "await" not in advice:
        return ""
    if stall.phase:
        return f" Do it in the endpoint or a dependency: {stall.phase} awaits nothing."
    if name in PLAIN:
        return f" Do it in a function that is awaited: {name} cannot await."
    return MADE_TO.format(name=name) if plain else ""


def library(call: HeldCall, cause: str) -> str | None:
    """Return what is said of a library that no row knows, if it waited."""
    if cause != "blocking_call" or not call.package or not call.on_stack:
        return None
    if any(awaited(call.code)):
        return INSIDE
    advice = LIBRARY.format(package=call.package)
    return advice if not proposes(advice, call.stands) else None


def advices(remedies: Iterable[Remedy], call: HeldCall, cause: str) -> Iterator[str]:
    """Yield what rows say that hold for a call and a cause."""
    for row in remedies:
        holds = cause in (row.causes or CALL_CAUSES) and imports(row, call.names)
        if holds and not proposes(row.advice, call.stands):
            yield row.advice


def imports(remedy: Remedy, names: Mapping[str, Any]) -> bool:
    """Return whether a module with these names imports what a row asks for."""
    if not remedy.imports:
        return True
    packages = {full_name(thing).partition(".")[0] for thing in list(names.values())}
    return not packages.isdisjoint(remedy.imports)
