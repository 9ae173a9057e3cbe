"""Which stalls a test answers for: stalls made by hand, in a call from 100 s to 200 s."""

from dataclasses import replace
from typing import Any

import pytest

from loopwatch import Frame, Site, Stall
from loopwatch.core.record_types import Contributor, GilHolder
from loopwatch.tools.testing.judgement import verdict
from loopwatch.tools.testing.own_call import OwnCall
from loopwatch.tools.testing.settings import TestSettings

OWN = Site("shop.orders.total", "/app/shop/orders.py", 21, "time.sleep(0.3)")
LIBRARY = Site("json.dumps", "/usr/lib/python3/dist-packages/json.py", 3)
STALL = Stall(started_at=150.0, duration=0.3, cause="blocking_call", site=OWN, cpu_seconds=0.0)
LIMIT = TestSettings(limit=0.1, allow=(), judged=True)


def call() -> OwnCall:
    made = OwnCall()
    made.spans, made.threads = [(100.0, 200.0)], frozenset({"older"})
    return made


def judged(stall: Stall = STALL, test: TestSettings = LIMIT, **fields: Any) -> str:
    return verdict(replace(stall, **fields), call(), test)


def holder(thread: str, site: Site) -> tuple[GilHolder, ...]:
    return (GilHolder(thread=thread, site=site),)


@pytest.mark.parametrize(
    "cause", ["blocking_call", "cpu", "native_gil", "import", "many_callbacks", "gc"]
)
def test_a_test_answers_for_what_its_code_did(cause: str) -> None:
    assert judged(cause=cause) == "charged"


@pytest.mark.parametrize(
    ("started_at", "found"),
    [
        *((99.75, "innocent"), (99.85, "charged"), (199.85, "charged"), (199.95, "innocent")),
        *((10.0, "innocent"), (300.0, "innocent")),
    ],
)
def test_only_seconds_within_its_own_call_count(started_at: float, found: str) -> None:
    assert judged(started_at=started_at) == found


def test_a_process_without_a_cpu_is_nobodys_fault() -> None:
    assert judged(cause="starved", duration=9.0) == "innocent"
    assert judged(cause="cpu", run_queue_seconds=0.15, throttled_seconds=0.1) == "innocent"
    assert judged(cause="cpu", run_queue_seconds=0.15) == "charged"


def test_collections_count_only_if_asked_for() -> None:
    assert judged(cause="gc", gc_seconds=0.25) == "innocent"
    asked = replace(OWN, code="gc.collect()")
    assert judged(cause="gc", gc_seconds=0.25, site=asked) == "charged"


def test_other_threads_count_only_if_they_work_for_the_test() -> None:
    for thread, site, found in (
        ("older", OWN, "innocent"),
        ("newer", OWN, "charged"),
        ("newer", LIBRARY, "innocent"),
        ("newer", Site("_NONE"), "innocent"),
    ):
        assert judged(cause="gil_contention", gil_holders=holder(thread, site)) == found
    assert judged(cause="gil_contention") == "innocent"


def test_other_threads_must_have_computed_for_long_themselves() -> None:
    """One that the system put aside while it had the GIL did nothing wrong."""
    for cpu, found in ((0.03, "innocent"), (0.2, "charged"), (None, "charged")):
        holders = (GilHolder(thread="newer", site=OWN, cpu_seconds=cpu),)
        assert judged(cause="gil_contention", gil_holders=holders) == found


def test_what_a_pool_was_given_meanwhile_is_the_tests() -> None:
    for thread, found in (("newer", "charged"), ("older", "innocent")):
        given = GilHolder(thread=thread, site=LIBRARY, cpu_seconds=0.3, function="re.match")
        assert judged(cause="gil_contention", gil_holders=(given,)) == found


def test_what_nobody_can_explain_must_be_twice_as_long() -> None:
    assert judged(cause="unknown", duration=0.19) == "innocent"
    assert judged(cause="unknown", duration=0.21) == "charged"
    assert judged(cause="unknown", duration=0.15, cpu_seconds=0.14) == "charged"


def test_a_fixture_that_is_set_up_within_the_call_is_not_the_tests() -> None:
    frames = (Frame("_pytest.fixtures.call_fixture_func", "/x/_pytest/fixtures.py", 900),)
    assert judged(stack=frames) == "innocent"


def test_allowed_sites() -> None:
    def allowing(*patterns: str) -> TestSettings:
        return replace(LIMIT, allow=patterns)

    assert judged(test=allowing("shop.orders.*")) == "allowed"
    assert judged(test=allowing("shop.users.*")) == "charged"
    many = (Contributor(coroutine="shop.fan_out", count=500, seconds=0.3),)
    tick: dict[str, Any] = {
        "cause": "many_callbacks",
        "site": Site("_NONE", exact=False),
        "contributors": many,
    }
    assert judged(test=allowing("shop.fan_out"), **tick) == "allowed"
    assert judged(test=allowing("shop.other"), **tick) == "charged"
