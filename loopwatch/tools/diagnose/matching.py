"""Which of the server's route templates a path belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

PARAMETER = re.compile(r"\{[^{}]+\}")


def matched(path: str, templates: Iterable[str]) -> str | None:
    """Return the template that a path, with or without its query, is an example of.

    Of several it is the most definite: the one with most text of its own. A template does not
    always tell that a parameter takes slashes, so it may where nothing else fits.
    """
    plain = unquote(path.partition("?")[0].partition("#")[0])
    templates = [*templates]
    for other in ("[^/]+", ".+"):
        found = [t for t in templates if pattern(t, other).fullmatch(plain)]
        if found:
            return max(found, key=lambda t: len(PARAMETER.sub("", t)))
    return None


def pattern(template: str, parameter: str) -> re.Pattern[str]:
    parts, end = [], 0
    for found in PARAMETER.finditer(template):
        parts += [re.escape(template[end : found.start()]), parameter]
        end = found.end()
    return re.compile("".join([*parts, re.escape(template[end:])]))
