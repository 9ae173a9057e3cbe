"""Terminal output: rich, imported only here."""

from __future__ import annotations

from loopwatch.tools.cli.command_error import CommandError

try:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
except ModuleNotFoundError as error:
    raise CommandError(
        f"this command must have {error.name}, and it is not installed: "
        "pip install 'loopwatch[diagnose]'"
    ) from error

__all__ = ["Console", "Group", "Live", "RenderableType", "Table", "Text"]
