"""Finds the server's route template for a path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

PARAMETER = re.compile(r"\{[^{}]+\}")


def matched(path: str, templates: Iterable[str]) -> str | None:
    """Return the template that matches a path; its query is ignored.

    Of several it is the most specific: the one with the most literal text. A template does not
    always show that a parameter takes slashes, so it may take them if nothing else matches.
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
