"""The work that a pool's thread has finished, while its loop has not seen the result yet.

A thread that kept the GIL may be idle again before the watchdog looks, with nothing on its stack.
But the loop's thread waited for the GIL meanwhile, so the task that asked still waits: its future
is not done, and the thread's own is. The lines of that task say who asked. The function is gone.

Tasks that wait for a future of `concurrent.futures` show this, by themselves, `gather` or `shield`.
Those of anyio's threads do not, nor a future that was given to `wait` or `as_completed` itself, or
on Python 3.11 to `wait_for`: their own futures do not know for what they wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopwatch.core.evidence import ThreadPicture
from loopwatch.core.future_callbacks import behind, thread_future
from loopwatch.core.known_tasks import loop_of, references_of
from loopwatch.core.task_context import context_request
from loopwatch.loop.executor import PARKED
from loopwatch.watchdog.given_work import WORK_ITEM, asker

TASKS = 1000  # looked at


def with_finished_work(picture: ThreadPicture, loop: Any) -> ThreadPicture:
    """Return the picture of an idle pool's thread with who asked for what it has just finished, if
    that is one task; any other picture as it is."""
    codes = [spot.code for spot in picture.spots]
    if PARKED not in codes or WORK_ITEM in codes:
        return picture
    try:
        first, *others = finished(loop)
    except Exception:  # no task, or one of another make
        return picture
    if others:
        return picture
    return picture._replace(request=context_request(first), asker=asker(first))


def finished(loop: Any) -> Iterator[Any]:
    """Return the tasks of a loop whose result a thread has, and the loop has not."""
    for reference in references_of([loop])[:TASKS]:
        task = reference()
        if task is not None and not task.done() and loop_of(task) is loop and has_result(task):
            yield task


def has_result(task: Any) -> bool:
    waiter = getattr(task, "_fut_waiter", None)
    futures = behind(waiter) if waiter is not None else ()
    sources = (thread_future(f) for f in futures if not f.done())
    return any(source.done() for source in sources if source is not None)
