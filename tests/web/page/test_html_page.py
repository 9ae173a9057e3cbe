"""The document of the live page: all of its parts, and nothing that makes markup of text."""

import re
from pathlib import Path

from loopwatch.web.page import html_page as document
from loopwatch.web.page.html_page import HTML


def test_document_is_all_of_its_parts() -> None:
    """Each once, in one style and one script, which nothing in them ends early."""
    sources = {path.name for path in Path(document.__file__).parent.glob("*.[cj]*s")}
    assert sources == {*document.STYLES, *document.SCRIPTS}
    assert len(sources) == len(document.STYLES) + len(document.SCRIPTS)
    assert all(HTML.count(f"<{tag}>") == HTML.count(f"</{tag}") == 1 for tag in ("style", "script"))
    assert document.part("flame.js") in HTML


def test_document_sets_text_only() -> None:
    """Nothing that makes markup or code of a string, and nothing from elsewhere."""
    text = HTML
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in text
    assert not re.search(r"\son\w+\s*=\s*[\"']", text)
    assert not re.search(r"\sstyle\s*=\s*[\"']", text)
    addresses = set(re.findall(r"https?://[^\s\"')>]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"<(link|script|img|iframe)[^>]*\s(src|href)=[\"'](?!data:)", text)
