"""What the apps of this folder share: a watch with its door, and how they are told what to be."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

from loopwatch import Watch
from tests.apps.door import open_door
from tests.conftest import loop_factory, private_watch

PORT = int(os.environ.get("PORT", "0"))
HOLD = 0.3  # s for which each of the small routes holds the loop
LOOP = os.environ.get("LOOP", "asyncio")


def watched() -> Watch:
    """Return the watch of this process, with a door that shows what it says."""
    watch = private_watch()
    open_door(watch)
    return watch


def serve(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory(LOOP)) as runner:
        runner.run(main)
