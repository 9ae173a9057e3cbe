"""A plot's SVG inside a page."""

import pytest

from loopwatch.tools.diagnose.svg import color, inline

DRAWN = f"""<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
     width="9pt" height="9pt" viewBox="0 0 9 9">
 <metadata><date>now</date></metadata>
 <defs><style>*{{fill: red}}</style><path id="dot" d="M 1.23456 2"/><path id="lost"/></defs>
 <g id="mark"><use xlink:href="#dot" style="fill: {color("calm")}; fill-opacity: 0.25"/></g>
 <text style="font: 12px 'A font'; text-anchor: end" transform="rotate(-0 1 2)">a &lt; b</text>
</svg>"""
SEEN = inline(DRAWN, 'what "it" shows', "plot", {"mark": "<b>who</b>"})


def test_stands_in_a_page_by_itself() -> None:
    assert SEEN.startswith('<svg class="plot" viewBox="0 0 9 9" role="img" aria-label="what &quot;')
    assert "http" not in SEEN
    assert "now" not in SEEN


def test_styles_become_attributes_and_colors_the_pages() -> None:
    assert "style" not in SEEN
    assert 'fill="var(--calm)" fill-opacity="0.25"' in SEEN
    assert '<text font-size="12" text-anchor="end">a &lt; b</text>' in SEEN


def test_keeps_only_ids_that_are_asked_for() -> None:
    assert '<path id="dot" d="M 1.2 2" />' in SEEN
    assert 'href="#dot"' in SEEN
    assert "lost" not in SEEN


def test_titles_are_text() -> None:
    assert "<g><title>&lt;b&gt;who&lt;/b&gt;</title><use" in SEEN


def test_no_colors_but_the_pages() -> None:
    with pytest.raises(KeyError, match="pink"):
        color("pink")
