"""The report as a page in a browser: from a file, as narrow as a phone, light and dark."""

from pathlib import Path

import pytest

from tests.tools.diagnose.documents import made
from tests.web.page.browser import Tab
from tests.web.page.browser import tab as tab


@pytest.mark.slow
@pytest.mark.parametrize("edge", ["hostile", "crowd"])
def test_in_a_browser(tab: Tab, edge: str, tmp_path: Path) -> None:
    """From a file, without a complaint or a request, as narrow as a phone, light and dark."""
    file = tmp_path / "report.html"
    file.write_text(made(edge), "utf-8")
    tab.complaints.clear()
    tab.requested.clear()
    tab.size(390, 844, mobile=True)
    tab.go(file.as_uri())
    tab.wait_for(f"location.href === {file.as_uri()!r} && document.readyState === 'complete'")
    assert tab.run("document.documentElement.scrollWidth") == 390
    assert tab.run("getComputedStyle(document.querySelector('.plot.wide')).display") == "none"
    seen = {scheme: colors(tab, scheme) for scheme in ("light", "dark")}
    assert all(light != dark for light, dark in zip(*seen.values(), strict=True)), seen
    tab.size(1280, 900)
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    assert tab.run("getComputedStyle(document.querySelector('.plot.wide')).display") == "block"
    assert tab.run("document.title").endswith("loopwatch diagnose")
    assert tab.complaints == []
    assert [url for url in tab.requested if not url.startswith("data:")] == [file.as_uri()]


def colors(tab: Tab, scheme: str) -> list[str]:
    """Return the colours of the page, of a line of a plot, and of a part of a bar."""
    tab.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    return [
        tab.run(f"getComputedStyle(document.querySelector({selector!r})).{name}")
        for selector, name in (
            ("body", "backgroundColor"),
            (".plot [stroke='var(--calm)']", "stroke"),
            (".bar .queued", "fill"),
            ("#stall-0 path, .plot text", "fill"),
        )
    ]
