"""The `send` that an app gets in place of the server's: it sees when the response is complete.

The compiled twin is in `native/response.c`. Nothing is awaited here and no message is changed, but
for the first, where `start` may add to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwatch.core.request import REQUEST, SLOW, Request
from loopwatch.loop.loop_state import LoopState, clock

NOTHING: Any = object()  # no argument at all
BODY, START = "http.response.body", "http.response.start"

owner = REQUEST.get


class Answer:
    """Stands for `send` towards the app; whatever else is asked of it is asked of that."""

    __slots__ = ("_request", "_send", "_start", "_state")

    _state: LoopState
    _request: Request
    _send: Any
    _start: Callable[[Any, Any], Any] | None

    def __call__(self, message: Any = NOTHING, /, *more: Any, **named: Any) -> Any:
        """Send a message. If it completes the response, note what the request has used by now, and
        its span if it was slow: here it is the current one, on whichever side of us the
        instrumentation is."""
        request = self._request
        if more or named or type(message) is not dict or request.responded:
            given = more if message is NOTHING else (message, *more)
            return self._send(*given, **named)
        kind = message["type"] if "type" in message else None  # noqa: SIM401 - no call
        if type(kind) is str or isinstance(kind, str):
            if kind == BODY:
                if "more_body" not in message or not message["more_body"]:
                    state, started = self._state, request.started
                    request.responded = now = clock()
                    if request.times or owner(None) is not request:
                        request.settled = used(state, request, now)
                    else:
                        since, so_far = state.mark, request.taken + request.seconds
                        request.settled = so_far + now - (since if since > started else started)
                    if state.span is not None and now - started + request.queued >= SLOW:
                        request.span = state.span()
            elif self._start is not None and kind == START:
                message = self._start(request, message)
        return self._send(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._send, name)


def answering(
    state: LoopState,
    request: Request,
    receive: Any,
    send: Any,
    start: Callable[[Any, Any], Any] | None,
    late: Callable[[Request, Any], None],
) -> Any:
    """Return the `send` for a request that begins now; `late` is asked about one that may have
    waited in its socket."""
    if request.started < state.behind:
        late(request, receive)
    answer = Answer()
    answer._state, answer._request, answer._send, answer._start = state, request, send, start
    return answer


def used(state: LoopState, request: Request, now: float) -> float:
    """Return the seconds of a request's own steps until now, which is in one of them."""
    so_far, times = request.taken + request.seconds, request.times
    if times:
        so_far += sum(times)
    if owner(None) is not request:  # in a step of somebody else's
        return so_far
    since, started = state.mark, request.started
    return so_far + (now - (since if since > started else started))
