"""The CPU budget, by a clock and a meter made by hand."""

import random

import pytest

from loopwatch.core.cpu_budget import LONG, REFILL, SAVED, SHARE, SPAN, CpuBudget


class Hand:
    """A clock and a CPU clock, set by hand. Times are s."""

    def __init__(self, share: float = SHARE) -> None:
        self.now, self.cpu = 1000.0, 7.0
        self.budget = CpuBudget(share, lambda: self.cpu, lambda: self.now)

    def spend(self, seconds: float) -> None:
        self.cpu += seconds

    def exhaust(self) -> None:
        self.spend(self.budget.left() + 0.001)


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_it_begins_with_what_can_be_saved_up_and_saves_no_more(hand: Hand) -> None:
    assert hand.budget.left() == pytest.approx(SHARE * SAVED)
    hand.now += 1000.0
    assert hand.budget.left() == pytest.approx(SHARE * SAVED)


def test_what_is_spent_before_it_begins_does_not_count(hand: Hand) -> None:
    assert hand.cpu > SHARE * SPAN
    assert hand.budget.allows("explain")


def test_whatever_the_meter_counts_is_spent(hand: Hand) -> None:
    hand.exhaust()
    assert not hand.budget.allows("sample")
    assert not hand.budget.allows("explain")
    assert hand.budget.closed_for() == pytest.approx(0.001 / (SHARE * REFILL))
    hand.now += hand.budget.closed_for() + 0.01
    assert hand.budget.allows("sample")
    assert hand.budget.closed_for() == 0.0


@pytest.mark.parametrize("share", [0.005, 0.05, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_no_span_sees_more_than_the_share(share: float, seed: int) -> None:
    """However it is asked, and whatever it is spent on: but for what is under way as it ends."""
    hand, chance = Hand(share), random.Random(seed)
    largest, spent = 0.02 * share, list[tuple[float, float]]()
    while hand.now < 1000.0 + 4 * SPAN:
        hand.now += chance.choice((0.001, 0.01, 0.1, 1.0)) * chance.random()
        if hand.budget.allows("explain"):
            seconds = largest * chance.random()
            hand.spend(seconds)
            spent.append((hand.now, seconds))
    for begin, _ in spent:
        within = sum(seconds for at, seconds in spent if begin <= at < begin + SPAN)
        assert within <= share * SPAN + largest + 1e-9


def test_debts_are_bounded_so_that_it_comes_back(hand: Hand) -> None:
    """One instrument may burn an hour of CPU time."""
    hand.spend(3600.0)
    assert hand.budget.closed_for() <= SAVED / REFILL
    hand.now += SAVED / REFILL + 0.01
    assert hand.budget.allows("explain")


def test_a_long_hold_is_looked_at_once_a_second_whatever_was_spent(hand: Hand) -> None:
    hand.spend(1.0)
    assert not hand.budget.allows("sample", LONG - 0.01)
    assert hand.budget.allows("sample", LONG)
    assert not hand.budget.allows("sample", LONG + 0.1)
    assert hand.budget.allows("explain", LONG)  # each purpose has its own
    hand.now += 1.01
    assert hand.budget.allows("sample", 2 * LONG)


def test_whoever_asks_while_another_thread_does_is_not_kept_waiting(hand: Hand) -> None:
    left = hand.budget.left()
    with hand.budget._lock:
        hand.spend(1.0)
        assert hand.budget.left() == left
    assert hand.budget.left() < left


def test_without_a_meter_nothing_is_ever_spent() -> None:
    budget = CpuBudget()
    assert all(budget.allows("explain") for _ in range(1000))


def test_nothing_is_saved_up_by_a_meter_that_falls_for_a_while(hand: Hand) -> None:
    """A collection is left out before the time of the thread that it was on is read."""
    before = hand.budget.left()
    hand.spend(-0.3)
    assert hand.budget.left() == pytest.approx(before)
    hand.spend(0.3 + 0.02)
    assert hand.budget.left() == pytest.approx(before - 0.02)
