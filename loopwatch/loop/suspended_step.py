"""Where the coroutines of a step that has just ended are suspended.

For samples of the loop's time: a moment was in a step so short that it ended before the interpreter
came to a place at which its stack could be read. The lines on which it stopped are the best that is
known of it then. The step is over, so its coroutines can be read by the loop's thread; nothing of
them is kept but code and numbers.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from loopwatch.core.await_chain import awaiting
from loopwatch.core.evidence import Spot
from loopwatch.core.memo import CodeMemo
from loopwatch.core.names import module_of
from loopwatch.core.task_context import task_coroutine
from loopwatch.loop.busy_ticks import handle_code, running_task

MODULES = 256  # of code, remembered

module_of_code = CodeMemo(lambda code: module_of(code.co_filename), MODULES)


def suspended(handle: Any) -> list[Spot]:
    """Return where the step of a handle has ended, innermost first: at its `def` if all is over."""
    try:
        task = running_task(handle)
        coroutine = task_coroutine(task) if task is not None else None
        found = [Spot.of(frame) for frame in awaiting(coroutine)]
        return found[::-1] or definition(handle_code(handle))
    except Exception:  # objects of the app: whatever they do must not reach it
        return []


def definition(code: Any) -> list[Spot]:
    if not isinstance(code, CodeType):
        return []
    return [Spot(code, 0, code.co_firstlineno, module_of_code(code))]
