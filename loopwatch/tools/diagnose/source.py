"""The source lines around a culprit's line.

The app may run on another machine, whose paths mean other files here. So a file is read only if the
app runs on this machine, and shown only if the call is on that line.
"""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from loopwatch.core.record_types import Site

AROUND = 3  # lines before, and after
LONGEST = 200  # characters of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """A line of the app's source."""

    number: int
    text: str


def source(site: Site) -> tuple[SourceLine, ...]:
    """Return the lines around a site's line; none if its file is missing or another one."""
    if not site.line or not Path(site.file).is_file():
        return ()
    first = max(1, site.line - AROUND)
    try:
        with tokenize.open(site.file) as file:
            texts = [*islice(file, first - 1, site.line + AROUND)]
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ()
    lines = [
        SourceLine(number=first + n, text=text.rstrip("\r\n")[:LONGEST])
        for n, text in enumerate(texts)
    ]
    return tuple(lines) if same(site, lines) else ()


def same(site: Site, lines: list[SourceLine]) -> bool:
    """Return whether the site's call begins on its line; spaces are ignored."""
    call = "".join(site.code.split())[:20]
    after = "".join("".join(line.text.split()) for line in lines if line.number >= site.line)
    return bool(call) and call in after
