"""The threads that loopwatch starts in the process that it watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

running: set[int] = set()  # their identifiers


class OwnThread(threading.Thread):
    """Runs `target(*arguments)`; it ends with the process. It is never named as a culprit."""

    def __init__(self, target: Callable[..., object], name: str, *arguments: Any) -> None:
        super().__init__(target=target, args=arguments, name=name, daemon=True)

    def run(self) -> None:
        here = threading.get_ident()
        running.add(here)
        try:
            super().run()
        finally:
            running.discard(here)
