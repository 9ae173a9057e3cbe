"""Stacks that have been explained: what follows from a stack alone is worked out once.

Theory: an app stalls in few places, many times. Of a stall at a known place only the numbers are
new. A stack is known by the code, the instruction, the line and the module of each of its frames.
Code objects are the app's, and none is kept alive: a stack is known by their addresses, and is no
more once one of them is gone, before another code object can get its address.
"""

from __future__ import annotations

from functools import partial
from types import CodeType
from weakref import ref

from loopwatch.core.evidence import Sample, Spot
from loopwatch.core.memo import Memo
from loopwatch.core.names import code_name
from loopwatch.core.record_types import Frame, Site
from loopwatch.explain.bytecode import Doubt, at_entry, doubt
from loopwatch.explain.cause import IMPORTING
from loopwatch.explain.safe_stall import safe_frame, safe_site
from loopwatch.explain.site import DEFAULT, SiteRules, frames, is_plumbing, site

STACKS = 1024  # remembered
REMEDIES = 8  # of one stack, by cause and site

Key = tuple[tuple[object, ...], ...]  # addresses of code, instructions, lines, modules


class KnownStack:
    """What follows from a stack, without the stack itself. `place` is the number of the frame that
    is the site, `outermost` the name of the outermost code that is not the loop's or a server's."""

    __slots__ = (
        *("_late_doubt", "_remedies", "_sites", "codes", "frames", "gone", "imports"),
        *("outermost", "place", "__weakref__"),
    )

    def __init__(self, spots: tuple[Spot, ...], rules: SiteRules) -> None:
        spot = rules.site_spot(spots)
        self.place = None if spot is None else next(n for n, s in enumerate(spots) if s is spot)
        self.frames: tuple[Frame, ...] = tuple(map(safe_frame, frames(spots)))
        self.imports = any(s.code.co_filename in IMPORTING for s in spots)
        self._late_doubt: Doubt | None = None
        self._sites: dict[bool, Site] = {}
        self._remedies: dict[tuple[str, Site], str] = {}
        outermost = next((s for s in reversed(spots) if not rules.is_plumbing(s)), None)
        self.outermost = outermost and code_name(outermost.code, outermost.module)
        self.gone = False
        forget = partial(mark_gone, ref(self))
        self.codes = [ref(spot.code, forget) for spot in spots]

    def spot(self, spots: tuple[Spot, ...]) -> Spot | None:
        """Return the frame to name."""
        return None if self.place is None else spots[self.place]

    def site(self, spot: Spot, exact: bool) -> Site:
        """Return `spot` as a site."""
        if exact not in self._sites:
            self._sites[exact] = safe_site(site(spot, exact))
        return self._sites[exact]

    def doubt(self, sample: Sample, spot: Spot) -> Doubt:
        """Return what else than the call at `spot` a stack sample may be evidence of."""
        if not sample.late or sample.sure:  # seen where it was
            return Doubt.NOTHING
        if self._late_doubt is None:
            self._late_doubt = late_doubt(sample.spots, spot)
        return self._late_doubt

    def remedy(self, cause: str, site: Site) -> str | None:
        """Return the advice for a call that is to blame, None if it is not known."""
        return self._remedies.get((cause, site))

    def remember(self, cause: str, site: Site, remedy: str) -> None:
        if len(self._remedies) < REMEDIES:
            self._remedies[cause, site] = remedy


class KnownStacks:
    """The stacks that were seen lately, by one set of rules."""

    def __init__(self, rules: SiteRules = DEFAULT) -> None:
        self.rules = rules
        self._stacks: Memo[Key, KnownStack] = Memo(STACKS)

    def of(self, spots: tuple[Spot, ...]) -> KnownStack:
        """Return what follows from a stack."""
        codes, *rest = zip(*spots, strict=True)
        key = tuple(map(id, codes)), *rest
        stack = self._stacks.get(key)
        if stack is None or stack.gone:
            stack = KnownStack(spots, self.rules)
            self._stacks.put(key, stack)
        return stack


def mark_gone(stack: ref[KnownStack], _: ref[CodeType]) -> None:
    """A code object is about to go: what was known of its address holds no more. On any thread."""
    if (known := stack()) is not None:
        known.gone = True


def late_doubt(spots: tuple[Spot, ...], spot: Spot) -> Doubt:
    """Return what else than the call at `spot` a late stack sample may be evidence of: asked in
    order.

    Whatever `spot` called began with a look at the GIL, so what was slow since is below it; unless
    the stack sample shows that very look, and `spot` is who called; or plumbing, to which own code
    has just returned.
    """
    innermost = spots[0]
    entered = at_entry(innermost)
    caller = spots[1] if entered and innermost is not spot else None
    if entered and (innermost is spot or caller is spot):  # slow before `spot` began, or called
        return Doubt.ANYTHING
    if innermost is spot:  # as its instructions say
        return doubt(spot)
    if not entered and is_plumbing(innermost) and doubt(innermost) is not Doubt.NOTHING:
        return Doubt.ANYTHING  # own code has just returned to it
    return Doubt.NOTHING  # below `spot`
