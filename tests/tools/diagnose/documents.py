"""Reports of every kind as documents, and what a document is made of."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

from loopwatch.tools.diagnose.html import document
from loopwatch.tools.diagnose.report_records import Report
from tests.tools.diagnose import report_parts, reports
from tests.web.page.told import HOSTILE

VOID = {"meta", "link", "br", "img", "hr", "input"}
EDGES: dict[str, Callable[[], Report]] = {
    "whole": reports.report,
    "attached": reports.attached,
    "nothing": reports.nothing,
    "ramped": reports.ramped,
    "never bent": lambda: reports.ramped(None),
    "crowd": reports.crowd,
    "hostile": lambda: reports.renamed(reports.report(), HOSTILE),
    "one moment": lambda: reports.report(timeline=report_parts.moments(1)),
    "no time": lambda: reports.report(
        timeline=(replace(report_parts.moments(1)[0], at=0.0, seconds=0.0),),
        duration=0.0,
        stalls=(),
    ),
    "marks alone": lambda: reports.report(timeline=()),
}


class Page(HTMLParser):
    """What a document is made of; complains of tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []  # tag, name, value
        self.pieces: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1:] != [tag]:
            self.wrong.append(f"</{tag}> closes {self.open[-1:]} at {self.getpos()}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())

    def values(self, name: str) -> list[str]:
        return [value for _, known, value in self.attributes if known == name]


@cache
def made(edge: str) -> str:
    return document(EDGES[edge]())


@cache
def page(edge: str = "whole") -> Page:
    return Page(made(edge))
