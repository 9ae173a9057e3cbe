"""Which line is named of a thread that had the GIL."""

import queue
import threading
from contextvars import copy_context
from types import CodeType, FunctionType

import pytest

from loopwatch.core.evidence import Sample, Slow, Spot, ThreadPicture, Usage
from loopwatch.core.record_types import NONE
from loopwatch.core.request import begin
from loopwatch.explain.gil_holders import gil_holders
from loopwatch.explain.site import DEFAULT


def parse() -> int:
    return 1


async def endpoint() -> None:
    pass


def spot(code: CodeType, line: int) -> Spot:
    return Spot(code, 0, line, __name__)


WORKER = Spot(compile("run()", "/lib/concurrent/futures/thread.py", "exec"), 0, 58, "concurrent")
IN_PARSE = spot(parse.__code__, parse.__code__.co_firstlineno + 1)
AWAITS = spot(endpoint.__code__, endpoint.__code__.co_firstlineno + 1)


def picture(*spots: Spot, code: CodeType | None = parse.__code__) -> ThreadPicture:
    return ThreadPicture("pool_0", 0.2, (*spots, WORKER), "app.parse", asker=(AWAITS,), code=code)


def holder_line(*pictures: ThreadPicture) -> tuple[int, bool]:
    """Return line and `exact` of the holder in a stall with a look for each picture."""
    samples = [Sample(10.1, True, (), 0.0, threads=(p,)) for p in pictures]
    slow = Slow(10.0, 0.3, "MainThread", samples=samples, usage=Usage(0.0, others=0.3))
    (holder,), _ = gil_holders(slow, "gil_contention", DEFAULT)
    return holder.site.line, holder.site.exact


def test_the_line_on_the_thread_s_stack() -> None:
    assert holder_line(picture(IN_PARSE)) == (IN_PARSE.line, True)


def test_a_look_that_came_after_it_hides_nothing() -> None:
    assert holder_line(picture(IN_PARSE), picture()) == (IN_PARSE.line, True)


def test_the_function_that_it_was_given_once_it_has_left_that() -> None:
    assert holder_line(picture()) == (parse.__code__.co_firstlineno, False)


def test_who_waits_for_it_where_it_was_given_c_code() -> None:
    assert holder_line(picture(code=None)) == (AWAITS.line, True)


def test_the_endpoint_that_asked_where_nobody_waits_for_it_yet() -> None:
    request = copy_context().run(begin, None, {"type": "http", "endpoint": endpoint})
    given = picture(code=None)._replace(asker=(), request=request)
    assert holder_line(given) == (endpoint.__code__.co_firstlineno, False)


@pytest.mark.parametrize("wait", [queue.Queue.get, threading.Condition.wait])
def test_no_line_of_a_thread_that_is_idle_again(wait: FunctionType) -> None:
    waits = Spot(wait.__code__, 0, 171, wait.__module__)
    idle = ThreadPicture("AnyIO worker thread", 0.2, (waits, WORKER))
    slow = Slow(10.0, 0.3, "MainThread", samples=[Sample(10.1, True, (), 0.0, threads=(idle,))])
    (holder,), _ = gil_holders(slow, "gil_contention", DEFAULT)
    assert (holder.site.function, holder.site.exact) == (NONE, False)


def test_who_starts_its_thread_where_nobody_waits_for_it_yet() -> None:
    """It has the GIL before the loop's thread comes back from `Thread.start`."""
    start = Spot(threading.Thread.start.__code__, 0, 997, "threading")
    unknown = picture(code=None)._replace(asker=())
    samples = [
        Sample(10.1, True, (start, WORKER, AWAITS), 0.0),
        Sample(10.2, True, (), 0.0, threads=(unknown,)),
    ]
    slow = Slow(10.0, 0.3, "MainThread", samples=samples, usage=Usage(0.0, others=0.3))
    (holder,), _ = gil_holders(slow, "gil_contention", DEFAULT)
    assert (holder.site.line, holder.site.exact) == (AWAITS.line, True)
    samples[0].spots = (WORKER, AWAITS)  # it starts no thread
    (holder,), _ = gil_holders(slow, "gil_contention", DEFAULT)
    assert not holder.site.exact


def test_the_thread_on_which_garbage_was_collected() -> None:
    usage = Usage(0.0, gc=0.25, collector=picture(IN_PARSE))
    slow = Slow(10.0, 0.3, "MainThread", usage=usage)
    (holder,), _ = gil_holders(slow, "gc", DEFAULT)
    assert (holder.thread, holder.site.line, holder.cpu_seconds) == ("pool_0", IN_PARSE.line, 0.25)


def test_nobody_where_the_loop_did_not_wait_for_another_thread() -> None:
    usage = Usage(0.25, gc=0.05, collector=picture(IN_PARSE))
    slow = Slow(10.0, 0.3, "MainThread", usage=usage)
    assert gil_holders(slow, "cpu", DEFAULT) == ((), None)
    usage.collector = None  # it was the loop's own
    assert gil_holders(slow, "gc", DEFAULT) == ((), None)
