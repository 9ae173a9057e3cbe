"""The `send` that an app gets in place of the server's: it sees when the response is complete.

`native/response.c` does the same in C. Nothing is awaited here, and no message is changed except
the first, to which `start` may add.

A response is complete with its last body, whose bytes may come from a file (`pathsend`,
`zerocopysend`); if it announced trailers as it began, with the last of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwatch.core.request import REQUEST, SLOW, Request
from loopwatch.loop.loop_state import LoopState, clock

NOTHING: Any = object()  # no argument was given
BODY, START = "http.response.body", "http.response.start"
PATH, ZERO_COPY = "http.response.pathsend", "http.response.zerocopysend"
TRAILERS = "http.response.trailers"

owner = REQUEST.get


class Answer:
    """Stands for `send` in the app; other attributes are those of the server's `send`."""

    __slots__ = ("_request", "_send", "_start", "_state", "_trailers")

    _state: LoopState
    _request: Request
    _send: Any
    _start: Callable[[Any, Any], Any] | None
    _trailers: bool  # whether the response announced any as it began

    def __call__(self, message: Any = NOTHING, /, *more: Any, **named: Any) -> Any:
        """Send a message. If it completes the response, note what the request has used by now. If
        the request was slow, note its span as well: here it is the current one, whether the
        instrumentation is inside or outside of us."""
        request = self._request
        if more or named or type(message) is not dict or request.responded:
            given = more if message is NOTHING else (message, *more)
            return self._send(*given, **named)
        kind = message["type"] if "type" in message else None  # noqa: SIM401 - no call
        if type(kind) is str or isinstance(kind, str):
            if kind == START:
                self._trailers = "trailers" in message and bool(message["trailers"])
                if self._start is not None:
                    message = self._start(request, message)
            elif (
                "more_body" not in message or not message["more_body"]
                if kind == BODY and not self._trailers
                else ends_otherwise(kind, message, self._trailers)
            ):
                state, started = self._state, request.started
                request.responded = now = clock()
                if request.times or owner(None) is not request:
                    request.settled = used(state, request, now)
                else:
                    since, so_far = state.mark, request.taken + request.seconds
                    request.settled = so_far + now - (since if since > started else started)
                if state.span is not None and now - started + request.queued >= SLOW:
                    request.span = state.span()
        return self._send(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._send, name)


def ends_otherwise(kind: str, message: Any, trailers: bool) -> bool:
    """Return whether a message that is neither the start nor a usual body has the last bytes."""
    if trailers:
        return kind == TRAILERS and not message.get("more_trailers")
    return kind == PATH or (kind == ZERO_COPY and not message.get("more_body"))


def answering(
    state: LoopState,
    request: Request,
    receive: Any,
    send: Any,
    start: Callable[[Any, Any], Any] | None,
    late: Callable[[Request, Any], None],
) -> Any:
    """Return the `send` for a request that begins now; `late(request, receive)` is called if it may
    have waited in its socket."""
    if request.started < state.behind:
        late(request, receive)
    answer = Answer()
    answer._state, answer._request, answer._send, answer._start = state, request, send, start
    answer._trailers = False
    return answer


def used(state: LoopState, request: Request, now: float) -> float:
    """Return the seconds of a request's own steps until `now` (clock, s), within a step."""
    so_far, times = request.taken + request.seconds, request.times
    if times:
        so_far += sum(times)
    if owner(None) is not request:  # the step is not the request's own
        return so_far
    since, started = state.mark, request.started
    return so_far + (now - (since if since > started else started))
