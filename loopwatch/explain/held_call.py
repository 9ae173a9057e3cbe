"""The call at a site, by all the names under which advice may be known for it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from loopwatch.core.names import module_globals
from loopwatch.core.record_types import Frame, Stall
from loopwatch.explain.call_names import (
    STRING,
    called,
    module_of,
    operators,
    resolved,
)
from loopwatch.explain.site import PLUMBING, ROUTERS, lies_installed

# These call what they were given, so what is called next is what the site has asked for.
PASSING = PLUMBING | {"tenacity", "backoff", "wrapt", "decorator", "cachetools", "asgiref"}
ANY_CALL = re.compile(r"([\w.]+)\(")


class HeldCall:
    """What stood at a stall's site, and what ran in it, outermost first."""

    def __init__(self, stall: Stall) -> None:
        site = stall.site
        self.function, self.code = site.function, site.code
        self.names = module_globals(module_of(site))
        self.on_stack, self.inside = inside(stall)
        self.paths = begun([*called(site.code)], self.nearest)

    @cached_property
    def written(self) -> tuple[str, ...]:
        """The names of the call, and of what it is chained to, as far as they can be resolved."""
        return tuple(name for path in self.paths for name in resolved(path, self.names))

    @cached_property
    def stands(self) -> tuple[str, ...]:
        """The full names of all calls in the source text, and of the first one that is run."""
        found = ANY_CALL.findall(STRING.sub("", self.code))
        names = (name for path in found for name in resolved(path, self.names))
        return (*(f"?{path}" for path in found), *names, *self.inside[:1])

    @property
    def nearest(self) -> str:
        return self.inside[0] if self.inside else ""

    @property
    def package(self) -> str:
        """The package that the site called, if it is an installed one."""
        return next((p for p, _ in self.runs() if p not in PASSING), "")

    def runs(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the frames inside, package by package."""
        for package, names in itertools.groupby(self.inside, lambda name: name.partition(".")[0]):
            yield package, [*names]

    def tiers(self) -> Iterator[Sequence[str]]:
        """Yield names that count alike, the nearest to the site first.

        What a library calls in turn is beyond the site's reach, and does not count.
        """
        runs = [*self.runs()]
        plain = () if "(" in self.code else operators(self.code)
        yield (*self.written, *plain, *(runs[0][1] if runs else ()))
        for (package, _), (_, names) in itertools.pairwise(runs):
            if self.on_stack and package not in PASSING:
                return
            yield names


def begun(paths: Sequence[str], nearest: str) -> tuple[str, ...]:
    """Return those calls of a chain that may be in progress: the one that is on the stack, whose
    links were over by then (`submit(f).result()`); all of them where none is known to be."""
    name = nearest.rpartition(".")[2]
    found = tuple(path for path in paths if name and path.rpartition(".")[2].lstrip("?") == name)
    return found or tuple(path for path in paths if path)


def inside(stall: Stall) -> tuple[bool, list[str]]:
    """Return whether the site is on the stack, and the names of what ran in it, outermost first.

    Where it is not, a framework ran for it: the names from its router inwards. A site that is not
    the user's own code is a part of the library that is to blame. Where a function is named without
    a line, since what it called may have been innocent, nothing is known to have run in it.
    """
    site, names = stall.site, [frame.function for frame in stall.stack]
    found = [n for n, frame in enumerate(stall.stack) if is_site(frame, stall)]
    if found:
        own = not lies_installed(site.file)
        if own and not site.exact and not site.code:
            return True, []
        return True, names[found[-1] + own :]
    return False, [*itertools.dropwhile(lambda name: not name.startswith(ROUTED), names)] or names


def is_site(frame: Frame, stall: Stall) -> bool:
    site = stall.site
    return frame.file == site.file and (frame.line == site.line or not site.exact)


ROUTED = tuple(f"{router}." for router in ROUTERS)
