"""Snapshots and tails of a hostile page: what is drawn and reported of them, or one clear error.

Each is a good one with a few places changed, by a seed.
"""

import copy
import io
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from loopwatch.core.histogram import PAUSE_EDGES, Histogram
from loopwatch.core.plain import plain
from loopwatch.core.recent import Blame, RecentRequest
from loopwatch.core.record_types import Contributor, Frame, GilHolder
from loopwatch.core.tails import AT, route_tails
from loopwatch.tools.cli import diagnosis_text
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.diagnose_command import json_text
from loopwatch.tools.cli.json_text import parsed
from loopwatch.tools.cli.measuring import measurement, watched_line
from loopwatch.tools.cli.readings import reading
from loopwatch.tools.cli.screen import drawn
from loopwatch.tools.cli.screen_parts import View
from loopwatch.tools.cli.terminal import Console
from loopwatch.tools.diagnose.compare import compare
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.markdown import markdown
from loopwatch.tools.diagnose.report import report
from loopwatch.tools.diagnose.watching import Watching
from tests.tools.diagnose import made
from tests.tools.diagnose.made_estimates import loop_time_reading, wait_reading

SEEDS = 600
TEXTS = ("\x1b[2J", "\udce9", "x" * 5000, "a\r\nb", "\u202e", "nan", "inf", "1", "", "[red]", "{x}")
NUMBERS = (-1, 0, 1, -0.5, 1e300, 1e15, 10**30, 10**400, float("nan"), float("inf"), 1e-300)
OTHERS: tuple[Any, ...] = (None, True, [], {}, [[]], [{}], {"": 0}, [None], {"a": {"b": []}})


def good(at: float, grown: int) -> dict[str, Any]:
    """Return a full snapshot as it is sent."""
    holder = GilHolder(thread="T", site=made.SITE, cpu_seconds=0.4)
    stalls = (
        made.stall(at, stack=(Frame("shop.f", "/app/shop.py", 7),), cpu_seconds=0.5),
        made.stall(at + 1, cause="gil_contention", gil_holders=(holder,)),
        made.stall(at + 2, contributors=(Contributor(coroutine="c", count=3, seconds=0.1),)),
    )
    pauses = Histogram(PAUSE_EDGES, (1,) * 11, (0.1,) * 11)
    snapshot = made.snapshot(
        at,
        requests=(made.requests("/good", grown), made.requests("/bad", grown, stalled=1.0)),
        steps=(("shop.f", made.histogram(grown)),),
        timed=(("label", made.histogram(grown)),),
        sites=(made.site(grown, victims=3, lost_request_seconds=1.0),),
        allowed=(made.site(grown),),
        blames=(made.blame(float(grown)),),
        waits=(wait_reading(seconds=float(grown), looks=grown),),
        loop_time=(loop_time_reading(seconds=float(grown), samples=grown),),
        gc_pauses=(("0", pauses),),
        stalls=stalls,
        in_progress=stalls[:1],
        stall_count=grown,
        busy=float(grown),
        idle=float(grown),
        lag=made.histogram(grown * 100),
        dropped={"log": 1, "stalls": 2},
    )
    data: dict[str, Any] = json.loads(json.dumps(plain(snapshot)))
    return data


def good_tails() -> dict[str, Any]:
    blame = Blame(site="shop.f", route="/bad", seconds=0.1, least=0.1, most=0.1, after=0.0)
    latest = [
        RecentRequest.of("/good", "GET", 1001.0, (0.2, 0.0, 0.01, 0.1), (blame,)) for _ in range(9)
    ]
    told = {"python": "3.12", "at": AT, "routes": [route_tails("/good", "GET", latest)]}
    data: dict[str, Any] = json.loads(json.dumps(plain(told)))
    return data


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Return every place in plain data, as what it is in and its key there."""
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from places(data[key])


def mutate(data: Any, chance: random.Random) -> Any:
    """Return a copy in which one to three places are changed, left out, or doubled."""
    changed = copy.deepcopy(data)
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice([*places(changed)])
        act = chance.random()
        if act < 0.15:
            del holder[key]
        elif act < 0.25 and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = copy.deepcopy(chance.choice((*TEXTS, *NUMBERS, *OTHERS)))
    return changed


def as_sent(data: Any) -> Any:
    """Return what is made of it once it was sent; CommandError as a remote page raises it."""
    try:
        return parsed(json.dumps(data))
    except ValueError as error:
        raise CommandError(str(error)) from error


def nothing_moves(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in text)
    text.encode()


def test_top_draws_it_or_says_what_is_wrong() -> None:
    before = good(1000.0, 1)
    outcomes = set()
    for seed in range(SEEDS):
        chance = random.Random(seed)
        told = mutate(good(1002.0, 5), chance)
        console = Console(file=io.StringIO(), width=chance.choice((40, 80, 200)), height=30)
        view = View(
            url="http://x",
            sort="lost",
            show=chance.choice(("stalls", "waits")),
            width=console.width,
            height=30,
            colour=False,
        )
        try:
            now = reading(as_sent(told), chance.choice((None, before)))
        except CommandError:
            outcomes.add("refused")
            continue
        console.print(drawn(now, view), markup=False)
        nothing_moves(console.file.getvalue())  # type: ignore[attr-defined]
        outcomes.add("drawn")
    assert outcomes == {"refused", "drawn"}


def test_diagnose_reports_it_or_says_what_is_wrong() -> None:
    outcomes = set()
    for seed in range(SEEDS // 2):
        chance = random.Random(seed)
        answers = [mutated(good(1000.0, 1), chance), mutated(good(1004.0, 5), chance)]
        try:
            made_of(answers, mutated(good_tails(), chance))
        except (CommandError, DiagnosisError):
            outcomes.add("refused")
        else:
            outcomes.add("reported")
    assert outcomes == {"refused", "reported"}


def mutated(data: Any, chance: random.Random) -> Any:
    return mutate(data, chance) if chance.random() < 0.5 else data


def made_of(answers: list[Any], tails: Any) -> None:
    """Measure, report, and write all that is written but for HTML."""
    told = iter([answers[0], answers[0], *answers[1:]])

    def ask(name: str) -> Any:
        return as_sent(next(told) if name == "snapshot.json" else tails)

    watching = Watching(ask, CommandError, period=60)
    watching.start()
    watching.stop()
    watched_line(1.0, watching)
    found = report(measurement(watching, until=watching.latest.at, url="http://x", readable=False))
    json_text(found).encode()
    console = Console(file=io.StringIO(), width=100, markup=False)
    for part in diagnosis_text.sections(found):
        console.print(part)
    nothing_moves(console.file.getvalue())  # type: ignore[attr-defined]
    nothing_moves(markdown(compare(made.report(), found)))


@pytest.mark.parametrize("seed", range(5))
def test_mutations_of_one_seed_are_one(seed: int) -> None:
    first, second = (mutate(good(1.0, 1), random.Random(seed)) for _ in range(2))
    assert repr(first) == repr(second)
