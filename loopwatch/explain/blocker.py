"""What the loop's thread was waiting for, in words: the lock, future or thread, and who has it.

A wait is a deadlock where only the loop itself could end it: a future that the loop would have to
complete (`loop`), a lock that a suspended coroutine of this loop holds (`task`) or the loop's own
thread (`thread`), or another thread that waits for one of these.
"""

from __future__ import annotations

from loopwatch.core.causes import Cause
from loopwatch.core.evidence import Slow, ThreadWait
from loopwatch.core.record_types import Blocker, Site
from loopwatch.explain.site import SiteRules, site

NEVER = {True: ": it can never come", False: ", and then it could never come"}
WAITS = {True: "waits", False: "probably waits"}
HELD = {True: "held", False: "probably held"}


def blocker(slow: Slow, cause: Cause, rules: SiteRules) -> Blocker | None:
    """Return what a blocking call waited for, as it was seen last."""
    waits = [sample.wait for sample in slow.samples if sample.wait is not None]
    if not waits or cause not in ("blocking_call", "unknown"):
        return None
    wait = waits[-1]
    text = sentence(wait, rules) + (NEVER[is_certain(wait)] if is_deadlock(wait) else "")
    return Blocker(
        kind=wait.kind,
        text=text,
        thread=wait.holder or None,
        site=stands(wait, rules),
        certain=is_certain(wait),
        deadlock=is_deadlock(wait),
    )


def is_deadlock(wait: ThreadWait) -> bool:
    return bool(wait.itself) or (wait.then is not None and is_deadlock(wait.then))


def is_certain(wait: ThreadWait) -> bool:
    return wait.certain and (wait.then is None or is_certain(wait.then))


def sentence(wait: ThreadWait, rules: SiteRules) -> str:
    """Return what a thread waits for, and what whoever has it waits for."""
    stood = stands(wait, rules)
    place = where(stood) if stood is not None else ""
    then = f", which {sentence(wait.then, rules)}" if wait.then is not None else ""
    return f"{what(wait, place)}{then}"


def stands(wait: ThreadWait, rules: SiteRules) -> Site | None:
    """Return where the holder stands in code that says something; None: in none."""
    spot = rules.site_spot(wait.spots)
    return site(spot) if spot is not None else None


def what(wait: ThreadWait, place: str) -> str:
    held = HELD[wait.certain]
    if wait.kind == "thread":
        return f"waits for the end of thread {wait.holder!r}{place}"
    if wait.kind == "future":
        if wait.itself:
            return f"{WAITS[wait.certain]} on a future of this very loop"
        return f"waits on a future that thread {wait.holder!r} works on{place}"
    if wait.itself == "task":
        return f"waits for a lock {held} by a suspended coroutine of this very loop{place}"
    if wait.itself == "thread":
        return f"waits for a lock {held} by the loop's own thread{place}"
    return f"waits for a lock {held} by thread {wait.holder!r}{place}"


def where(stood: Site) -> str:
    return f" at {stood.file}:{stood.line}{' ' if stood.code else ''}{stood.code}"
