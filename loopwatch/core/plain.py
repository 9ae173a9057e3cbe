"""Records as JSON-ready data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from loopwatch.core.breath import breathe

BULKY = "bulky"  # marks a field that is left out of JSON


def plain(value: Any) -> Any:
    """Return `value` as JSON-ready data: records become dicts, tuples lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(member) for name, member in members(value).items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def members(record: Any) -> dict[str, Any]:
    """Return a record's fields by name, except those that are left out of JSON."""
    breathe()
    return {name: getattr(record, name) for name in told(record.__class__)}


@cache
def told(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind) if not f.metadata.get(BULKY))
