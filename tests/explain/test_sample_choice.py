"""Which stack sample speaks for a slow step: one of what held it longest, down to the innermost."""

from loopwatch.core.evidence import Sample, Slow, Spot
from loopwatch.explain.sample_choice import best_sample, spans
from loopwatch.explain.site import DEFAULT

FUNCTIONS = {
    name: compile("x()", f"/usr/lib/python3/site-packages/{name}.py", "exec").replace(
        co_name=name, co_qualname=name
    )
    for name in ("client", "ssl", "json", "models")
}
OWN = compile("handler()", "/app/shop.py", "exec").replace(co_name="handler", co_qualname="handler")


def sample(at: float, *inside: str, line: int = 7, late: bool = False) -> Sample:
    below = [Spot(FUNCTIONS[name], 0, 1, name) for name in reversed(inside)]
    return Sample(at, late, (*below, Spot(OWN, 0, line, "shop")), 0.0)


def chosen(*samples: Sample, duration: float = 1.0) -> tuple[int, list[str]]:
    """Return the line of the site, and the names inside, of the sample that is chosen."""
    found = best_sample(Slow(0.0, duration, "MainThread", samples=[*samples]), DEFAULT)
    assert found is not None
    *below, own = found.spots
    return own.line, [spot.code.co_name for spot in reversed(below)]


def test_what_held_longest_decides_and_not_what_was_seen_first() -> None:
    first = sample(0.05, "client", "json")
    rest = [sample(at, "client", "ssl") for at in (0.2, 0.4, 0.7)]
    assert chosen(first, *rest) == (7, ["client", "ssl"])


def test_samples_count_for_the_time_they_stand_for() -> None:
    """Two early ones, close together, are less than one that stands for the rest."""
    early = [sample(at, "client", "json") for at in (0.05, 0.075)]
    assert chosen(*early, sample(0.4, "client", "ssl")) == (7, ["client", "ssl"])


def test_the_line_is_chosen_before_what_it_called() -> None:
    lines = [sample(0.1, "ssl", line=7), sample(0.3, "json", line=8), sample(0.5, "ssl", line=8)]
    assert chosen(*lines, sample(0.75, "models", line=7), duration=0.8)[0] == 8


def test_what_was_called_is_chosen_before_what_that_called() -> None:
    """`models` held longer than any one function that `client` called, but `client` longer yet."""
    one, two = sample(0.15, "client", "ssl"), sample(0.45, "client", "json")
    assert chosen(one, two, sample(0.75, "models"), duration=1.0)[1][0] == "client"


def test_a_timely_sample_speaks_before_a_late_one_of_the_same_place() -> None:
    found = best_sample(
        Slow(0.0, 1.0, "MainThread", samples=[sample(0.1), sample(0.9, late=True)]), DEFAULT
    )
    assert found is not None
    assert not found.late


def test_nothing_seen_is_nothing_chosen() -> None:
    assert best_sample(Slow(0.0, 1.0, "MainThread"), DEFAULT) is None


def test_the_times_add_up_to_the_step() -> None:
    slow = Slow(0.0, 1.0, "MainThread", samples=[sample(0.1), sample(0.4), sample(0.9, late=True)])
    assert [round(seconds, 3) for _, seconds in spans(slow)] == [0.25, 0.15, 0.6]
