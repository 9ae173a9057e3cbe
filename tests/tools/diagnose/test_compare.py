"""Two reports: what got better, what worse, who is gone, who is new."""

import pytest

from loopwatch.core.quantiles import Quantiles
from loopwatch.core.record_types import Site
from loopwatch.tools.diagnose.changes import changed
from loopwatch.tools.diagnose.compare import compare
from loopwatch.tools.diagnose.markdown import markdown
from loopwatch.tools.diagnose.report_records import PlannedRequest, Verdict
from tests.tools.diagnose.made import culprit, load, report, route, throughput


def named(name: str, **given: float) -> object:
    return culprit(site=Site(name, "/app/shop.py", 7, "f(x)"), **given)


BEFORE = report(
    routes=(route(client=Quantiles(0.01, 0.1, 0.5)), route("/gone")),
    culprits=(named("shop.fixed"), named("shop.same", lost=5.0), named("shop.grows", lost=1.0)),
    stall_count=30,
    throughput=throughput(served=20.0),
)
AFTER = report(
    routes=(route(client=Quantiles(0.011, 0.02, 0.03)), route("/new")),
    culprits=(named("shop.same", lost=5.2), named("shop.grows", lost=3.0), named("shop.new")),
    stall_count=10,
    throughput=throughput(served=40.0),
)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (0.500, 0.300, "better"),
        (0.300, 0.500, "worse"),
        (0.100, 0.110, "same"),  # 10 % of the larger must be reached
        (0.100, 0.112, "worse"),
        (0.001, 0.004, "same"),  # and 5 ms
        (None, 0.5, "same"),
    ],
)
def test_which_way_a_latency_went(before: float | None, after: float, change: str) -> None:
    assert changed(before, after) == change


def test_culprits_are_matched_by_site_and_route() -> None:
    found = compare(BEFORE, AFTER)
    assert [(c.latest.site.function, c.change) for c in found.culprits] == [
        ("shop.new", "new"),
        ("shop.grows", "worse"),
        ("shop.same", "same"),
        ("shop.fixed", "gone"),
    ]


def test_rows_say_which_way_they_went() -> None:
    found = compare(BEFORE, AFTER)
    rows = {row.name: row for row in found.rows}
    assert (rows["stalls a second"].before, rows["stalls a second"].after) == (3.0, 1.0)
    assert rows["stalls a second"].change == "better"
    assert rows["requests/s served"].change == "better"  # more is
    assert [(row.name, row.change) for row in found.routes] == [
        ("GET /good p50", "same"),
        ("GET /good p99", "better"),
    ]


def test_latencies_of_a_client_and_a_server_are_not_compared() -> None:
    attached = report(routes=(route(client=None, server=Quantiles(0.02, 0.02, 0.02)),), load=None)
    [_, p99] = compare(report(), attached).routes
    assert (p99.before, p99.after) == (0.03, 0.02)  # the server's, of both
    mine = report(routes=(route(client=Quantiles(9.0, 9.0, 9.0)),))
    assert [r.before for r in compare(mine, attached).routes] == [0.01, 0.03]


def test_a_report_of_no_time_has_no_rates() -> None:
    """Its app ended before the second reading."""
    found = compare(report(duration=0.0, culprits=(culprit(),)), report(culprits=(culprit(),)))
    assert [row.before for row in found.rows if row.name.endswith("a second")] == [None, None]
    assert found.culprits[0].change == "same"


def test_different_loads_are_told() -> None:
    asked = (PlannedRequest(method="GET", path="/x", weight=1.0, route=None),)
    [note] = compare(BEFORE, report(load=load(requests=asked))).notes
    assert "loads differ" in note


def test_markdown_is_short_and_escapes_what_the_app_says() -> None:
    hostile = culprit(site=Site("shop.x", "/app/shop.py", 7, "a|b `<img src=x>` @all"))
    text = markdown(compare(BEFORE, report(culprits=(hostile,))))
    assert text.startswith("### loopwatch diagnose\n")
    assert "| GET /good p99 | 500 ms | 30 ms | ✅ better |" in text
    assert "a\\|b \\`&lt;img src=x>\\` \\@all" in text
    told = Verdict(kind="waiting", text="`GET /*x*` waits:\n# 2 * 2 @all <b>`")
    text = markdown(compare(report(verdict=told), AFTER))
    assert "\nBefore: `GET /*x*` waits: # 2 \\* 2 \\@all &lt;b>  \n" in text
    assert len(text.splitlines()) < 40
    odd = culprit(site=Site("shop.x", "/app/a\x1b[2J.py", 7, "a\r\nb"), route="/\u202e\udce9")
    text = markdown(compare(BEFORE, report(culprits=(odd,))))
    assert "| a\\\\x1b\\[2J.py:7 a\\\\x0d\\\\x0ab | /\\\\u202e\\\\udce9 |" in text
    text.encode()
