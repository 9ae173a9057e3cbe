"""Stacks as the bars of a flame graph."""

import pytest

from loopwatch.tools.diagnose.flames import DEEPEST, SHARED, Bar, flames
from loopwatch.tools.diagnose.report_records import FoldedStack


def stack(frames: str, seconds: float, site: str = "") -> FoldedStack:
    return FoldedStack(frames=tuple(frames.split()), seconds=seconds, site=site)


def test_bars_are_as_wide_as_they_were_long() -> None:
    found = flames((stack("a:1 b:2", 3.0, "b"), stack("a:1 c:3", 1.0, "c"), stack("d:4", 1.0)))
    assert found.bars == (
        Bar(left=0.0, width=80.0, row=0, frame="a:1", seconds=4.0, kind="frame"),
        Bar(left=80.0, width=20.0, row=0, frame="d:4", seconds=1.0, kind="frame"),
        Bar(left=0.0, width=60.0, row=1, frame="b:2", seconds=3.0, kind="site"),
        Bar(left=60.0, width=20.0, row=1, frame="c:3", seconds=1.0, kind="site"),
    )
    assert (found.rows, found.seconds) == (2, 5.0)


def test_a_site_without_a_stack_is_a_bar() -> None:
    (bar,) = flames((stack("_NONE", 1.0, "_NONE"),)).bars
    assert (bar.frame, bar.kind, bar.width) == ("_NONE", "site", 100.0)


def test_most_frames_that_all_stacks_share_are_left_out() -> None:
    shared = [f"f{n}:1" for n in range(9)]
    begin = " ".join(shared)
    found = flames((stack(f"{begin} x:1", 1.0), stack(f"{begin} y:1 z:1", 1.0)))
    assert found.hidden == tuple(shared[:-SHARED])
    assert [bar.frame for bar in found.bars if bar.row == 0] == [shared[-SHARED]]
    assert found.rows == SHARED + 2


def test_one_stack_keeps_its_inner_frames() -> None:
    frames = " ".join(f"f{n}:1" for n in range(9))
    found = flames((stack(frames, 1.0),))
    assert [bar.frame for bar in found.bars] == frames.split()[-SHARED - 1 :]


def test_bars_too_narrow_to_see_are_not_drawn() -> None:
    found = flames((stack("a:1", 1000.0), stack("b:1", 1.0)))
    assert [bar.frame for bar in found.bars] == ["a:1"]


def test_depth_is_bounded() -> None:
    deep = " ".join(f"f{n}:1" for n in range(500))
    assert flames((stack(deep, 1.0), stack("other:1", 1.0))).rows == DEEPEST


@pytest.mark.parametrize("stacks", [(), (stack("a:1", 0.0),)])
def test_no_time_no_bars(stacks: tuple[FoldedStack, ...]) -> None:
    assert flames(stacks).bars == ()
