"""tornado.web: `install(application)`.

An application has its handler's class made an object, and its `_execute` run in a task of its own,
by what `get_handler_delegate` returns; `_execute` also gets the list of transforms that its
response goes through. So the delegate is given what makes the handler, and the request lasts as
long as `_execute`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from loopwatch.core.guard import log_once
from loopwatch.core.names import attribute
from loopwatch.frameworks.visit import (
    MESSAGE,
    Visit,
    endpoint_of,
    is_websocket,
    middleware_for,
    text_headers,
)
from loopwatch.loop.replaced import Replaced
from loopwatch.watch.watch import Watch
from loopwatch.web.middleware import LoopWatchMiddleware

HOOK = "get_handler_delegate"


def install(application: Any, *, watch: Watch | None = None) -> Any:
    """Count the requests of a `tornado.web.Application`, and return it.

    Args:
        application: it may get further handlers later. A second call changes nothing.
        watch: a `Watch` with your options; by default, one with everything on. It starts at the
            first request. If another watch already watches the loop, that watch records the
            requests.

    Raises:
        TypeError: `watch` is not a `Watch`, or `application` is none of tornado.
    """
    if not callable(getattr(application, HOOK, None)):
        raise TypeError(f"application must be a tornado.web.Application, got {application!r}")
    if not isinstance(getattr(application, HOOK), Delegates):
        Delegates(application, middleware_for(watch))
    return application


def uninstall(application: Any) -> None:
    """Undo `install`; requests in flight are still counted."""
    hook = getattr(application, HOOK, None)
    if isinstance(hook, Delegates):
        hook.replaced.put_back()


class Delegates:
    """Stands for the method `get_handler_delegate` of one application."""

    def __init__(self, application: Any, middleware: LoopWatchMiddleware) -> None:
        self._delegate = getattr(application, HOOK)
        self._middleware: LoopWatchMiddleware | None = middleware
        self._templates = Templates(application)
        self.replaced = Replaced(application, HOOK, self)

    def forget(self) -> None:
        """Count no further requests, and keep nothing of the watch."""
        self._middleware = None

    def __call__(self, request: Any, target_class: Any, *args: Any, **kwargs: Any) -> Any:
        delegate = self._delegate(request, target_class, *args, **kwargs)
        middleware = self._middleware
        if middleware is None:
            return delegate
        try:
            handler_class = delegate.handler_class

            def make(*args: Any, **kwargs: Any) -> Any:
                handler = handler_class(*args, **kwargs)
                handler._execute = self._execution(handler, middleware)
                return handler

            delegate.handler_class = make
        except Exception:
            log_once("loopwatch.frameworks.tornado")
        return delegate

    def _execution(self, handler: Any, middleware: LoopWatchMiddleware) -> Any:
        """Return what replaces the method `_execute` of one handler, until it is called."""

        async def execute(transforms: Any, *args: Any, **kwargs: Any) -> Any:
            del handler._execute
            visit = self._visit(handler, middleware)
            try:
                return await handler._execute([*transforms, Response(visit)], *args, **kwargs)
            finally:
                visit.end()

        return execute

    def _visit(self, handler: Any, middleware: LoopWatchMiddleware) -> Visit:
        request = handler.request
        visit = Visit(Connection(request.connection))
        try:
            visit.begin(middleware, self._scope(handler, request))
        except Exception:
            log_once("loopwatch.frameworks.tornado")
        return visit

    def _scope(self, handler: Any, request: Any) -> dict[str, Any]:
        own, method = type(handler), request.method
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": request.version.removeprefix("HTTP/"),
            "headers": text_headers(request.headers.get_all()),
            MESSAGE: request,
        }
        template = self._templates.of(own, request)
        if hasattr(own, "on_message") and is_websocket(request.headers):
            scope["type"], scope["endpoint"] = "websocket", own.on_message
        else:
            scope["method"] = method
            if template is not None:
                scope["endpoint"] = endpoint_of(own, method)
        if template is not None:
            scope["path_template"] = template
        return scope


class Connection:
    """Leads from a request's connection to its socket."""

    def __init__(self, connection: Any) -> None:
        self._stream = attribute(connection, "stream")

    def get_extra_info(self, name: str) -> Any:
        return attribute(self._stream, name)


class Response:
    """A transform that only looks: where a response begins, and where it is complete."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def transform_first_chunk(
        self, status: int, headers: Any, chunk: bytes, finishing: bool
    ) -> tuple[int, Any, bytes]:
        for name, value in self._visit.head():
            headers.add(name.decode(), value.decode())
        if finishing and status != 101:  # a websocket begins with what looks like a response
            self._visit.responded()
        return status, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        if finishing:
            self._visit.responded()
        return chunk


class Templates:
    """The templates of an application's handlers: its patterns, as they were written.

    Most handlers stand in one rule, so their template needs no search. For others the rules are
    matched again, as the router has done.
    """

    def __init__(self, application: Any) -> None:
        self._router = application.default_router
        self._lists: list[list[Any]] = []  # of rules, which applications change in place
        self._rules = 0  # in them, when they were last read
        self._known: dict[Any, list[str | None]] = {}

    def of(self, handler: Any, request: Any) -> str | None:
        """Return the template by which a request has reached a handler."""
        if not self._lists or sum(map(len, self._lists)) != self._rules:
            self._read()
        found = self._known.get(handler, ())
        return found[0] if len(found) == 1 else search(self._router, handler, request)

    def _read(self) -> None:
        self._lists = [*below(self._router)]
        self._rules, self._known = sum(map(len, self._lists)), {}
        for rule in chain.from_iterable(self._lists):
            self._known.setdefault(rule.target, []).append(template(rule.matcher))


def rules_of(router: Any) -> list[Any] | None:
    """Return the rules of a router; None of a handler, whose attribute `rules` is the app's own."""
    found = None if isinstance(router, type) else attribute(router, "rules")
    return found if isinstance(found, list) else None


def below(router: Any) -> Iterator[list[Any]]:
    """Return the rules of a router and of those that can be reached through it."""
    rules = rules_of(router)
    if rules is not None:
        yield rules
        for rule in rules:
            yield from below(rule.target)


def search(router: Any, handler: Any, request: Any) -> str | None:
    """Return the template of the first rule for a handler that a request matches."""
    for rule in rules_of(router) or ():
        if rule.matcher.match(request) is None:
            continue
        if rule.target is handler:
            return template(rule.matcher)
        found = search(rule.target, handler, request)
        if found is not None:
            return found
    return None


def template(matcher: Any) -> str | None:
    """Return a pattern without its ends, and named groups by their names; None if it has none."""
    pattern = attribute(attribute(matcher, "regex"), "pattern")
    return named(pattern.removeprefix("^").removesuffix("$")) if pattern else None


def named(pattern: str) -> str:
    """Return a pattern with `{name}` for each named group; unnamed groups stay as they are."""
    text, rest = pattern.split("(?P<", 1) if "(?P<" in pattern else (pattern, "")
    if not rest:
        return text
    name, _, group = rest.partition(">")
    return f"{text}{{{name}}}{named(after(group))}"


def after(group: str) -> str:
    """Return what follows the bracket that closes a group of a pattern."""
    depth, escaped, within_set = 1, False, False
    for at, letter in enumerate(group):
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif within_set:
            within_set = letter != "]"
        elif letter == "[":
            within_set = True
        else:
            depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return group[at + 1 :]
    return ""
