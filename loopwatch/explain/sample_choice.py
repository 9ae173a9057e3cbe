"""Which stack sample speaks for a slow step: one of what held the loop longest, as far as is seen.

Samples are further and further apart, so each stands for the time around it. The time is added up
by site first; then by what the site called, by what that called, and so on. The sample at the end
of that way shows what the time was spent on, which the first one may not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

from loopwatch.core.evidence import Sample, Slow
from loopwatch.explain.outside_stack import sightings
from loopwatch.explain.site import SiteRules


class Timed(NamedTuple):
    """A stack sample, the time that it stands for, and the way to the innermost frame."""

    sample: Sample
    seconds: float
    site: Hashable  # None: no frame of it can be the site
    way: Sequence[Hashable]  # below the site, outermost first; of all frames if there is none


def best_sample(slow: Slow, rules: SiteRules) -> Sample | None:
    """Return a stack sample of the place that held the loop longest; a timely one if there is."""
    all_of_them = [*spans(slow)]
    if len({id(sample.spots) for sample, _ in all_of_them}) <= 1:  # then they do not differ
        samples = [sample for sample, _ in all_of_them]
        return next((s for s in samples if not s.late), samples[0] if samples else None)
    left = longest([timed(s, span, rules) for s, span in all_of_them], lambda t: t.site)
    for depth in range(max((len(t.way) for t in left), default=0)):
        left = longest(left, lambda t, n=depth: t.way[n] if n < len(t.way) else None)  # type: ignore[misc]
    in_time = (t.sample for t in left if not t.sample.late)
    return next(in_time, left[0].sample if left else None)


def timed(sample: Sample, seconds: float, rules: SiteRules) -> Timed:
    spots = sample.spots
    spot = rules.site_spot(spots)
    depth = next((n for n, s in enumerate(spots) if s is spot), len(spots))
    way = [s.code for s in reversed(spots[:depth])]
    return Timed(sample, seconds, (spot.code, spot.line) if spot is not None else None, way)


def longest(all_of_them: list[Timed], key: Callable[[Timed], Hashable]) -> list[Timed]:
    """Return those with one key: the key that most seconds have."""
    groups: defaultdict[Hashable, list[Timed]] = defaultdict(list)
    for one in all_of_them:
        groups[key(one)].append(one)
    return max(groups.values(), key=lambda group: sum(t.seconds for t in group), default=[])


def spans(slow: Slow) -> Iterator[tuple[Sample, float]]:
    """Return each stack sample with the time it stands for, s: up to the middle between two timely
    ones; before a late one, all the time since the one before."""
    samples = [s for s in slow.samples if s.spots]
    if seen := sightings(slow):
        samples = sorted([*seen, *(s for s in samples if not s.late)], key=lambda s: s.at)
    begun = slow.started
    for n, sample in enumerate(samples):
        if n + 1 == len(samples):
            end = slow.ended
        elif samples[n + 1].late:
            end = sample.at
        else:
            end = (sample.at + samples[n + 1].at) / 2
        yield sample, end - begun
        begun = end
