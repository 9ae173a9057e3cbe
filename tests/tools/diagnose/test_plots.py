"""The plots of a report: the page's colours, real text, and marks that say what they are."""

import math
import re
from dataclasses import replace

import pytest

from loopwatch.tools.diagnose import plots
from loopwatch.tools.diagnose.plot_style import RANKS, REST
from loopwatch.tools.diagnose.plots import distribution, knee_time, numbers, steady, timeline
from loopwatch.tools.diagnose.report_records import Report
from tests.tools.diagnose import report_parts, reports


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.fixture(scope="module")
def whole() -> str:
    return timeline(reports.report())


def test_colors_are_the_pages(whole: str) -> None:
    """So that one plot is right in light and dark."""
    for svg in (whole, distribution(report_parts.distribution())):
        assert re.findall(r"#[0-9a-fA-F]{3,6}\b(?!\))", re.sub(r'(href|id)="[^"]*"', "", svg)) == []
        assert 'stroke="var(--calm)"' in svg
        assert "style" not in svg


def test_panels_are_named_in_real_text(whole: str) -> None:
    named = {"Latency, as clients saw it", "Stalls, and lag", "100 ms", "Loop busy", "Requests/s"}
    assert named <= {*texts(whole)}


def test_narrow_is_as_wide_as_a_phone(whole: str) -> None:
    assert f'viewBox="0 0 {plots.WIDE} ' in whole
    assert f'viewBox="0 0 {plots.NARROW} ' in timeline(reports.report(), narrow=True)


def test_every_stall_says_how_long_when_and_who(whole: str) -> None:
    titles = re.findall(r"<title>([^<]*)</title>", whole)
    assert len(titles) == 11
    assert titles[2] == "250 ms at 2.50 s: shop.orders.total:21, /orders"


def test_a_stall_that_nobody_saw_says_so() -> None:
    lost = reports.report(stalls=(report_parts.mark(1.0, route=None, line=0, site="_NONE"),))
    assert "<title>250 ms at 1.00 s: _NONE, outside any request</title>" in timeline(lost)


def test_stalls_have_the_color_of_their_culprit() -> None:
    first = report_parts.culprit()
    others = [replace(first, route=f"/{n}") for n in range(4)]
    marks = [
        report_parts.mark(1.0, route=route) for route in ("/orders", "/0", "/1", "/2", "/3", None)
    ]
    assert plots.toned(marks, [first, *others]) == [*RANKS, REST, REST, REST]


def test_a_loop_that_does_not_tell_has_no_such_panel() -> None:
    seen = texts(timeline(reports.attached()))
    assert "True latency" in seen
    assert "Loop busy" not in seen
    assert "asked" not in seen


def test_marks_the_knee_of_a_ramp_where_it_was() -> None:
    assert "knee: 130 requests/s" in texts(timeline(reports.ramped()))
    ramped = reports.ramped()
    assert ramped.load is not None
    assert ramped.throughput.knee is not None
    assert knee_time(ramped.throughput.knee, ramped.load) == pytest.approx(20 * 120 / 190)


@pytest.mark.parametrize("report", [reports.ramped(None), reports.report()])
def test_no_knee_no_mark(report: Report) -> None:
    assert not any(text.startswith("knee") for text in texts(timeline(report)))


def test_moments_too_short_to_tell_a_rate_are_left_out() -> None:
    moments = report_parts.moments(4)
    assert steady((*moments, replace(moments[0], at=4.02, seconds=0.02))) == [*moments]
    assert steady(()) == []


def test_what_is_not_known_is_a_gap() -> None:
    low, gap, high = numbers([1.0, None, 2.0])
    assert (low, high) == (1.0, 2.0)
    assert math.isnan(gap)


def test_percentiles_reach_from_the_median_to_the_slowest() -> None:
    assert [t for t in texts(distribution(report_parts.distribution())) if t[0] in "pm"] == [
        *("p50", "p90", "p99", "p99.9", "max")
    ]


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (0.001, 1.0, ["1 ms", "10 ms", "100 ms", "1 s"]),
        (0.1, 0.4, ["0", "200 ms", "400 ms"]),
    ],
)
def test_latency_is_logarithmic_where_it_is_far_apart(
    least: float, most: float, ticks: list[str]
) -> None:
    values = report_parts.latencies(least, most)
    told = report_parts.distribution(now=values, without_top=(), without_all=(), client=())
    assert [t for t in texts(distribution(told)) if t[0].isdigit()] == ticks


def test_nobody_to_blame_leaves_one_line() -> None:
    whole, alone = (
        distribution(told).count("<path")
        for told in (
            report_parts.distribution(),
            report_parts.distribution(without_top=(), without_all=(), client=()),
        )
    )
    assert whole - alone == 4  # three lines, and what lies between two


def test_times_read_as_minutes_where_they_are_long() -> None:
    assert [plots.clock(seconds, None) for seconds in (2.5, 90, 150)] == ["2.5 s", "90 s", "2:30"]
