"""The id of a culprit, which stays the same from run to run and from release to release.

It is the first 16 hexadecimal digits of SHA-256 over the UTF-8 text `route`, `place` and `cause`,
joined by line feeds. `route` is the template, empty where there is none. `place` is the site's
function as `module.qualname`; where no site is known, the coroutine. The line is no part of it: a
culprit keeps its id while code above it changes.
"""

from __future__ import annotations

from hashlib import sha256

from loopwatch.core.record_types import NONE

DIGITS = 16  # hexadecimal


def culprit_id(route: str | None, site: str, cause: str, coroutine: str | None = None) -> str:
    """Return the id of what held the loop; `coroutine` counts only where there is no site."""
    text = "\n".join((route if route and route != NONE else "", place(site, coroutine), cause))
    return sha256(text.encode(errors="backslashreplace")).hexdigest()[:DIGITS]


def place(site: str, coroutine: str | None) -> str:
    """Return the site's function; where none is known, the coroutine."""
    return site if site != NONE else coroutine or NONE
