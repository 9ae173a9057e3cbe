"""Prometheus's text formats, as `prometheus_client` writes them, in a tenth of the time.

The client composes every line of every scrape anew, some 10 us each; a full watch has 15,000 of
them. Here it writes one series of each metric, once, with marks in the places of labels and values;
from then on the marks are filled in, so the text is the client's own, byte for byte. What is not
loopwatch's, and an escaping that would change names, is left to the client altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from itertools import accumulate, groupby
from typing import Any, NamedTuple, TypeAlias

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from loopwatch.core.exemplars import Exemplar, latest
from loopwatch.core.histogram import Histogram
from loopwatch.exporters.metrics import Labels, Metric, Value

Values: TypeAlias = dict[Labels, Value]
Fill: TypeAlias = Callable[[Metric, Values], Family]

END = "# EOF\n"  # of OpenMetrics
UNCHANGED = (None, "underscores", "allow-utf-8")  # escapings that leave our names as they are
MARK = "@{}@"  # in the place of a label
NUMBER = 10_000.5  # and so on: in the places of values; no edge of a bucket looks like it
LARGE = 1_000_000  # smaller counts are written as 12.0


class SnapshotFamily(Family):
    """A metric of the contract. Samples are made of it only if somebody asks for them."""

    def __init__(self, metric: Metric, values: Values, fill: Fill) -> None:
        empty = fill(metric, {})
        self.metric, self.values, self.fill = metric, values, fill
        super().__init__(empty.name, empty.documentation, empty.type, empty.unit)

    @property
    def samples(self) -> list[Any]:
        return self.fill(self.metric, self.values).samples

    @samples.setter
    def samples(self, none: list[Any]) -> None:
        """Nothing: `Family` sets its own to none at first."""


class Families(NamedTuple):
    """What the client takes for a registry."""

    collected: Iterable[Family]

    def collect(self) -> Iterable[Family]:
        return self.collected


def render(registry: Collector, accept: str = "") -> tuple[bytes, str]:
    """Return what a scrape with that header `Accept` gets, and its content type."""
    encode, kind = encoder(accept)
    openmetrics = kind.startswith("application/openmetrics-text")
    unchanged = getattr(encode, "keywords", {}).get("escaping") in UNCHANGED
    parts: list[str] = []
    for own, families in groupby(registry.collect(), lambda f: isinstance(f, SnapshotFamily)):
        if own and unchanged:
            for family in families:
                parts.extend(written(family, openmetrics))
        else:
            parts.append(encode(Families(families)).decode().removesuffix(END))
    return "".join([*parts, END if openmetrics else ""]).encode(), kind


def encoder(accept: str) -> tuple[Any, str]:
    """Return what writes the format that is accepted; the usual one if nobody can read that."""
    try:
        return choose_encoder(accept)
    except Exception:  # such as a version that is no number
        return choose_encoder("")


def written(family: Any, openmetrics: bool) -> list[str]:
    form = form_of(family.metric, family.fill, openmetrics)
    return [form.head, *(form.row(labels, value) for labels, value in family.values.items())]


class Form(NamedTuple):
    """The text of one metric, to be filled in with labels, then values, then exemplars."""

    head: str
    simple: str  # of a series; its counts are whole numbers below `LARGE`
    general: str

    def row(self, labels: Iterable[str], value: Value) -> str:
        """Return all lines of one series."""
        labels = map(escaped, labels)
        if not isinstance(value, Histogram):
            return self.general.format(*labels, number(value))
        counts, total = [*accumulate(value.counts)], number(value.sum)
        if counts[-1] < LARGE and not value.exemplars:
            return self.simple.format(*labels, *counts, total)
        shown = latest(value.edges, value.exemplars)
        notes = (note(shown.get(bucket)) for bucket in range(len(counts)))
        return self.general.format(*labels, *map(number, map(float, counts)), total, *notes)


@cache
def form_of(metric: Metric, fill: Fill, openmetrics: bool) -> Form:
    """Have the client write one series with marks, and make a form of what it writes."""
    encode, _ = choose_encoder("application/openmetrics-text" if openmetrics else "")
    marks = tuple(MARK.format(number) for number in range(len(metric.labels)))
    zero = Histogram.empty(metric.edges) if metric.kind == "histogram" else 0.0
    family = fill(metric, {marks: zero})
    marked = [s._replace(value=NUMBER + n) for n, s in enumerate(family.samples)]
    family.samples = marked
    text = encode(Families([family])).decode().removesuffix(END)
    head = encode(Families([fill(metric, {})])).decode().removesuffix(END)
    lines = text.removeprefix(head).replace("{", "{{").replace("}", "}}").splitlines(True)
    for number, mark in enumerate(marks):
        lines = [line.replace(mark, f"{{{number}}}") for line in lines]
    slots = [*places(metric, [s.name for s in marked])]
    general = (
        line.replace(f" {NUMBER + n}\n", f" {{{value}}}{exemplar if openmetrics else ''}\n")
        for n, (line, (value, _, exemplar)) in enumerate(zip(lines, slots, strict=True))
    )
    simple = (
        line.replace(f" {NUMBER + n}\n", f" {{{value}}}{whole}\n")
        for n, (line, (value, whole, _)) in enumerate(zip(lines, slots, strict=True))
    )
    return Form(head, "".join(simple), "".join(general))


def places(metric: Metric, names: list[str]) -> Iterator[tuple[int, str, str]]:
    """Return for each sample where its value is among the arguments, and what follows it: the
    fraction of a count, the place of an exemplar."""
    first = len(metric.labels)
    last = first + len(metric.edges)
    for number, name in enumerate(names):
        if name.endswith("_bucket"):
            yield first + number, ".0", f"{{{last + 2 + number}}}"
        elif metric.kind == "histogram":
            yield (last, ".0", "") if name.endswith("_count") else (last + 1, "", "")
        else:
            yield first, "", ""


def number(value: float) -> str:
    return repr(value) if 0.0 <= value < LARGE else str(floatToGoString(value))  # type: ignore[no-untyped-call]


@lru_cache(4096)
def escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def note(exemplar: Exemplar | None) -> str:
    """Return an exemplar as it stands behind its bucket."""
    if exemplar is None:
        return ""
    span = f'span_id="{exemplar.span_id}",trace_id="{exemplar.trace_id}"'
    return f" # {{{span}}} {number(exemplar.value)} {exemplar.at}"
