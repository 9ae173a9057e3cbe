"""Who waited, how long and for whom, against what client and app wrote down themselves.

A short version of `python -m tests.victims`; and the recount, which is judged by hand.
"""

import math

import pytest

from tests.calm import too_busy
from tests.victims.judging import judge
from tests.victims.plan import Bad, plan
from tests.victims.recount import Loss, Ready, Recount, Request, Span, apart
from tests.victims.trial import run
from tests.victims.what_if import predictions

TRIES = 1


def request(
    number: int,
    sent: float,
    begun: float,
    ended: float,
    ready: tuple[Ready, ...] = (),
    block: Span | None = None,
) -> Request:
    return Request(number, "/", sent, ended, begun, ended, ready, block)


def recount(*others: Request, known: frozenset[str] = frozenset({"timer"})) -> Recount:
    """Return a recount with one block, of request 0, from 1.0 to 1.5 s."""
    culprit = request(0, 0.9, 1.0, 1.5, block=Span(1.0, 1.5))
    return Recount([culprit, *others], known)


def test_recount_counts_who_was_sent_into_a_block_from_then_on() -> None:
    found = recount(request(1, 1.25, 1.51, 1.52)).losses(0)
    assert found == {1: Loss(0.25, 0.0, 0.0)}


def test_recount_counts_who_became_ready_in_a_block_from_then_on() -> None:
    due_in_it = request(1, 0.5, 0.5, 1.6, (Ready(Span(1.375, 1.6), "timer"),))
    due_later = request(2, 0.5, 0.5, 1.7, (Ready(Span(1.6, 1.7), "timer"),))
    found = recount(due_in_it, due_later).losses(0)
    assert found == {1: Loss(0.0, 0.125, 0.125)}


def test_recount_expects_a_mean_where_the_moment_cannot_be_known() -> None:
    """It had waited as long as the block lasted: somewhat more than half is lost."""
    answered = request(1, 0.5, 0.5, 1.6, (Ready(Span(1.375, 1.6), "outside"),))
    before = request(2, 0.5, 0.5, 1.6, (Ready(Span(0.9, 1.6), "outside"),))
    assert recount(answered, before).losses(0) == {
        1: Loss(0.0, 0.125, 1.0 - 0.5 / math.log1p(1.0)),
        2: Loss(0.0, 0.5, 0.5),
    }


def test_recount_does_not_count_a_culprit_among_its_own_victims() -> None:
    assert recount().losses(0) == {}


def test_spans_that_overlap_are_one_and_the_last_lasts_until_the_end() -> None:
    spans = [Ready(Span(3.0, 3.1), "timer"), Ready(Span(1.0, 2.0), "timer")]
    spans.append(Ready(Span(1.5, 2.5), "outside"))
    joined = (Ready(Span(1.0, 2.5), "timer"), Ready(Span(3.0, 4.0), "timer"))
    assert apart(spans, 4.0) == joined


def test_plan_is_the_same_for_the_same_seed() -> None:
    bad = Bad(5, 100, 800)
    assert plan(1, 100, 5.0, bad) == plan(1, 100, 5.0, bad) != plan(2, 100, 5.0, bad)


@pytest.mark.slow
def test_victims_are_told_as_client_and_app_saw_them(loop: str) -> None:
    for _ in range(TRIES):
        trial = run(loop, plan(3, 150, 7.0, Bad(7, 100, 800)))
        rows = judge(trial, loop)
        print(*rows, sep="\n")
        wrong = [str(row) for row in rows if not row.holds and (row.firm or trial.calm)]
        assert not wrong, "\n".join(wrong)
        if all(row.holds for row in rows):
            return
    too_busy("no calm trial")


@pytest.mark.slow
def test_latency_without_a_site_is_as_measured_with_its_good_twin(loop: str) -> None:
    load = plan(4, 120, 6.0, Bad(5, 200, 400))
    for _ in range(TRIES):
        bad, good = run(loop, load), run(loop, load, twin="sleep")
        wrong = [str(prediction) for prediction in predictions(bad, good) if not prediction.holds]
        if not wrong:
            return
        assert not (bad.calm and good.calm), "\n".join(wrong)
    too_busy("no calm trial")
