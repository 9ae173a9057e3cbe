"""One row of the tables of advice: a sentence, and for which calls it is said."""

from __future__ import annotations

from typing import NamedTuple

from loopwatch.core.causes import THREAD, of_calls

WAITS, WORKS = of_calls("waits"), of_calls("works")


class Remedy(NamedTuple):
    """A sentence, and for what it is said.

    A call is a dotted name, of the call itself or of code that it runs through, and stands for all
    below it: `requests` for `requests.api.get`. One that begins with `*` is how the name of the
    call ends as it is written, whatever object it is of: `*.execute`. One that ends with `()` is
    an operator or a statement: `**()`, `in()`, `del()`.
    """

    advice: str
    calls: tuple[str, ...]
    causes: tuple[str, ...] = ()  # only these; none: any for which the call is to blame
    imports: tuple[str, ...] = ()  # only where the site's module has one of these among its names


def instead(interface: str, *calls: str) -> Remedy:
    """Return the row of a library that has an asyncio interface, or a library in its place."""
    return Remedy(f"Use {interface}, and await the call.", calls, WAITS)


def thread(what: str, *calls: str) -> Remedy:
    """Return the row of a library that has none."""
    return Remedy(f"Use {THREAD}: {what}.", calls, WAITS)
