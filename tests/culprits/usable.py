"""Which rows can be asked for here."""

import importlib.util
import sys

from .rows import Row


def unusable(row: Row) -> str:
    """Return why a row cannot be asked for with this Python; empty if it can."""
    if sys.version_info < row.since:
        return "came with Python {}.{}".format(*row.since)
    if row.needs and importlib.util.find_spec(row.needs) is None:
        return f"{row.needs} is not installed"
    return ""
