"""Who held the loop: counts from sums, lines from the stalls that were remembered."""

from pathlib import Path

import pytest

from loopwatch import Frame, Site
from loopwatch.tools.diagnose.culprits import culprits
from loopwatch.tools.diagnose.source import AROUND, source
from tests.tools.diagnose.made import SITE, blame, measurement, site, snapshot, stall

OTHER = Site("shop.bad", "/app/shop.py", 30, "requests.get(url)")


def test_dearest_first_and_causes_of_one_site_are_one_culprit() -> None:
    change = snapshot(
        sites=(
            site(3, lost_request_seconds=4.0, victims=8),
            site(1, 0.9, cause="cpu", lost_request_seconds=1.0, victims=2),
            site(9, 0.2, site="shop.worse", route="_NONE", lost_request_seconds=7.0),
        ),
        blames=(blame(3.0), blame(2.0, "/bad")),
    )
    worse, bad = culprits(measurement(change, stalls=(stall(1001.0),)))
    assert (worse.site.function, worse.route, worse.lines) == ("shop.worse", None, ())
    assert (bad.count, bad.lost, bad.victims, bad.cause) == (4, 5.0, 10, "blocking_call")
    assert bad.seconds == pytest.approx(2.4)
    assert [(v.route, v.seconds) for v in bad.victim_routes] == [("/good", 3.0), ("/bad", 2.0)]


def test_line_is_the_one_that_held_longest_in_all_and_the_stack_the_longest_stalls() -> None:
    stack = (Frame("shop.bad", "/app/shop.py", 30),)
    stalls = (
        stall(1.0, 0.4),
        stall(2.0, 0.4, advice="Sleep otherwise."),
        stall(3.0, 0.7, site=OTHER, stack=stack),
    )
    [told] = culprits(measurement(snapshot(sites=(site(3),)), stalls=stalls))
    assert told.site == SITE
    assert [(line.line, line.count) for line in told.lines] == [(23, 2), (30, 1)]
    assert (told.longest, told.stack, told.advice) == (0.7, stack, "Sleep otherwise.")


def module(folder: Path, call: str = "time.sleep(0.5)") -> Site:
    path = folder / "shop.py"
    path.write_text("".join(f"line {n}\n" for n in range(1, 10)) + f"    {call}\nlast\n")
    return Site("shop.bad", str(path), 10, call)


def test_source_is_told_around_the_line(tmp_path: Path) -> None:
    told = source(module(tmp_path))
    assert [line.number for line in told] == [*range(10 - AROUND, 12)]
    assert told[AROUND].text == "    time.sleep(0.5)"


def test_source_of_another_file_is_not_told(tmp_path: Path) -> None:
    """A path of an app elsewhere may be a file here, and none of its business."""
    here = module(tmp_path)
    for wrong in (
        Site("shop.bad", here.file, 10, "requests.get(url)"),
        Site("shop.bad", here.file, 10, ""),
        Site("shop.bad", here.file, 5, "nothing of it"),
        Site("shop.bad", str(tmp_path), 10, "time.sleep(0.5)"),
        Site("shop.bad", str(tmp_path / "gone.py"), 10, "time.sleep(0.5)"),
        Site("shop.bad", here.file, 0, "time.sleep(0.5)"),
    ):
        assert source(wrong) == ()


@pytest.mark.parametrize("readable", [True, False])
def test_files_are_read_only_where_the_app_is_this_machines(tmp_path: Path, readable: bool) -> None:
    stalls = (stall(1.0, site=module(tmp_path)),)
    change = snapshot(sites=(site(1),))
    [told] = culprits(measurement(change, stalls=stalls, source_readable=readable))
    assert bool(told.source) == readable
