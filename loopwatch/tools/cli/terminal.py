"""Terminal output: rich, imported only here."""

from __future__ import annotations

from loopwatch.core.extras import MissingExtraError

try:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise MissingExtraError(error, "top") from error

__all__ = ["Console", "Group", "Live", "RenderableType", "Table", "Text"]
