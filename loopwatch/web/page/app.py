"""The page as a pure ASGI app: its paths and their answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from loopwatch.watch.watch import Watch
from loopwatch.web.answering import Answer, Answering, App, Body, Question, Scope, text_answer
from loopwatch.web.page.answers import Answers
from loopwatch.web.page.html_page import DOCUMENT, POLICY
from loopwatch.web.page.profile_choice import profile_of
from loopwatch.web.page.tails_json import since, tails_body
from loopwatch.web.page.trace_seconds import trace_seconds

LARGE = ("trace.json",)  # answers of many MB, which are not kept
SHARE = 0.05  # of the time may go into making answers, whatever is asked
LONGEST = 5.0  # s, at most, for which an answer is given again because of that


def page(watch: Watch) -> App:
    """Return the live page of a watch, to mount: `app.mount("/loopwatch", page(watch))`.

    It is an ASGI app. It shows function names, file names, source lines and routes to everyone
    who can reach it.

    Raises:
        TypeError: `watch` is not a `Watch`.
    """
    if not isinstance(watch, Watch):
        raise TypeError(
            f"watch must be a loopwatch.Watch, got {watch!r}; "
            "give the one that the middleware has: LoopWatchMiddleware(app, watch=watch)"
        )
    return Page(watch)


class Page(Answering):
    """Answers for one watch."""

    policy = POLICY

    def __init__(self, watch: Watch) -> None:
        super().__init__("loopwatch-page", SHARE, LONGEST)
        answers = Answers(watch)
        self._makers: dict[str, Callable[..., Body]] = {
            "": lambda: DOCUMENT,
            "snapshot.json": answers.snapshot,
            "stalls.json": answers.stalls,
            "requests.json": answers.requests,
            "flamegraph.folded": answers.folded,
            "profile.speedscope.json": answers.speedscope,
            "profile.pb.gz": answers.pprof,
            "tails.json": partial(tails_body, watch),
            "trace.json": answers.trace,
        }
        self._asked: dict[str, Callable[[Scope], Any]] = {
            "flamegraph.folded": profile_of,
            "profile.speedscope.json": profile_of,
            "tails.json": since,
            "trace.json": trace_seconds,
        }

    def find(self, scope: Scope) -> Answer | Question | None:
        path = relative_path(scope)
        name = path.removeprefix("/").removesuffix("/")
        maker = self._makers.get(name)
        if maker is None:
            return None
        if not path:  # the page loads files relative to itself, so its URL needs the slash
            return text_answer(307, "", ("location", with_slash(scope)))
        if not name:
            return Answer(200, DOCUMENT)
        try:
            asked = (self._asked[name](scope),) if name in self._asked else ()
        except ValueError as error:
            return text_answer(400, str(error))
        keep = name not in LARGE
        return Question((name, *asked), lambda: made(lambda: maker(*asked), keep))

    def missing(self) -> Answer:
        names = " ".join(name or "/" for name in self._makers)
        return text_answer(404, f"not found; there is: {names}")


def made(make: Callable[[], Body], keep: bool) -> Answer:
    """Return what was asked for; 501 where a package for it is missing."""
    try:
        return Answer(200, make(), keep=keep)
    except ImportError as error:
        return text_answer(501, str(error))


def relative_path(scope: Scope) -> str:
    """Return the path below where the page is mounted: empty, or with its leading slash.

    Frameworks differ: a mounted app's path may or may not contain the mount, and the root path that
    a proxy removed.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    outer: str = scope.get("app_root_path", "").rstrip("/")
    for prefix in (root, root.removeprefix(outer)):
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            return path[len(prefix) :]
    return path


def with_slash(scope: Scope) -> str:
    """Return the page's address relative to its URL without the slash: valid behind any proxy."""
    path: str = scope["path"] or scope.get("root_path", "")
    return f"./{path.rpartition('/')[2]}/"
