"""What is patched in a program that is to be watched. This imports nothing of loopwatch by itself.

The first loop of the process that begins to run starts the watch; until then a patch of four
functions is all there is. From then on the watch has patches of its own (`loop/adoption.py`).
Each ASGI server is patched where it has got the app, so that every request goes through
`LoopWatchMiddleware`: the table `SERVERS`. A server that is not as expected is left alone, and its
routes stay unknown: one warning says so.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, get_ident
from types import ModuleType

from loopwatch.startup.import_hook import ImportHook

TYPING = False  # as typing.TYPE_CHECKING, which would have to be imported
if TYPING:
    from collections.abc import Callable
    from typing import Any

PATIENCE = 5.0  # s that a fork waits

_said: set[str] = set()
_hook: ImportHook | None = None
_roots: list[str] = []
_holds_forks = False


def say(text: str) -> None:
    """Write a warning on standard error, each once a process."""
    if text not in _said and sys.stderr is not None:
        _said.add(text)
        try:
            sys.stderr.write(f"loopwatch: process {os.getpid()}: {text}\n")
            sys.stderr.flush()
        except Exception:
            return


class FirstLoop:
    """Starts the watch as the first loop of the process is about to run.

    Forks wait until it has been started, on whatever thread: a child would find modules that are
    half imported, and nobody to go on.
    """

    def __init__(self) -> None:
        self.lock, self.has_run = RLock(), False
        self._forking: int | None = None  # the thread that has the lock because of that
        self._patched: list[tuple[Any, str, Any, Any]] = []  # class, name, its own, ours

    def patch(self, owner: Any, name: str) -> None:
        """Look out for a method; it behaves as before."""
        if self.has_run:
            return
        method, ours = getattr(owner, name), self._told(owner, name)
        ours.__name__, ours.__qualname__ = name, method.__qualname__
        self._patched.append((owner, name, vars(owner).get(name), ours))
        setattr(owner, name, ours)

    def _told(self, owner: Any, name: str) -> Any:
        method = getattr(owner, name)

        def told(loop: Any, *args: Any, **kwargs: Any) -> Any:
            if loop is not None:  # asyncio says that none runs, in every forked child
                self.tell()
            now = getattr(owner, name)  # the watch's, which must hear of this very loop
            return (method if now is told else now)(loop, *args, **kwargs)

        return told

    def tell(self) -> None:
        """Start the watch, once, and put back what was patched."""
        with self.lock:
            if self.has_run:
                return
            self.has_run = True
            self.put_back()
            call("begin")

    def hold_forks(self) -> None:
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork,
                after_in_child=self._after_fork_in_child,
            )

    def _before_fork(self) -> None:
        if self.lock.acquire(timeout=PATIENCE):
            self._forking = get_ident()

    def _after_fork(self) -> None:
        if self._forking == get_ident():
            self._forking = None
            self.lock.release()

    def _after_fork_in_child(self) -> None:
        self.lock, self._forking = RLock(), None

    def put_back(self) -> None:
        while self._patched:
            owner, name, before, ours = self._patched.pop()
            if vars(owner).get(name) is not ours:
                continue
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


FIRST_LOOP = FirstLoop()


def call(name: str, *arguments: Any) -> Any:
    """Call a function of `process_watch`; if that fails, say so once, and return None."""
    try:
        with FIRST_LOOP.lock:
            return getattr(process_watch(), name)(*arguments)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        if isinstance(error, ModuleNotFoundError):
            text += f"; install loopwatch for its Python: {sys.executable} -m pip install loopwatch"
        say(f"runs unwatched: {text}")
        return None


def process_watch() -> Any:
    """Import the module where it is first needed."""
    try:
        from loopwatch.startup import process_watch
    except ModuleNotFoundError:
        if not _roots:
            raise
        sys.path.append(root := _roots.pop())  # a checkout that is installed nowhere
        try:
            from loopwatch.startup import process_watch
        except BaseException:
            sys.path.remove(root)
            raise
    return process_watch


def watched(app: Any) -> Any:
    """Return the app within loopwatch's middleware; the app itself if that fails."""
    wrapped = call("watched", app)
    return app if wrapped is None else wrapped


def asyncio_loops(module: ModuleType) -> None:
    FIRST_LOOP.patch(module.BaseEventLoop, "run_forever")


def asyncio_running(module: ModuleType) -> None:
    """Also a loop that nest_asyncio runs: it replaces the two other functions."""
    FIRST_LOOP.patch(module, "_set_running_loop")


def asyncio_runner(module: ModuleType) -> None:
    FIRST_LOOP.patch(module.Runner, "run")


def uvloops(module: ModuleType) -> None:
    FIRST_LOOP.patch(module.Loop, "run_forever")
    if FIRST_LOOP.has_run:
        call("watch_uvloop")


def after(owner: Any, name: str, act: Callable[[Any], None]) -> None:
    """Have `act(self)` follow each call of a method."""
    import functools

    method = getattr(owner, name)

    @functools.wraps(method)
    def followed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        act(self)
        return result

    setattr(owner, name, followed)


def wrap_attribute(attribute: str) -> Callable[[Any], None]:
    """Return what puts the app in an attribute within the middleware."""

    def act(server: Any) -> None:
        setattr(server, attribute, watched(getattr(server, attribute)))

    return act


def uvicorn_config(module: ModuleType) -> None:
    after(module.Config, "load", wrap_attribute("loaded_app"))


def uvicorn_server(module: ModuleType) -> None:
    """After it has shut down, uvicorn raises the signal that it got again, which may end the
    process without any exit: so the summary is written before that."""
    import functools

    shutdown = module.Server.shutdown

    @functools.wraps(shutdown)
    async def followed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await shutdown(self, *args, **kwargs)
        if getattr(self, "_captured_signals", ()):
            call("ending")
        return result

    module.Server.shutdown = followed


def hypercorn(module: ModuleType) -> None:
    after(module.ASGIWrapper, "__init__", wrap_attribute("app"))


def daphne(module: ModuleType) -> None:
    after(module.Server, "__init__", wrap_attribute("application"))


def gunicorn(module: ModuleType) -> None:
    after(module.ASGIWorker, "load_wsgi", wrap_attribute("asgi"))


def granian(module: ModuleType) -> None:
    import functools

    wrapper = module._callback_wrapper  # noqa: SLF001 - granian has no public place for it

    @functools.wraps(wrapper)
    def wrapping(callback: Any, *args: Any, **kwargs: Any) -> Any:
        return wrapper(watched(callback), *args, **kwargs)

    module._callback_wrapper = wrapping  # type: ignore[attr-defined]  # noqa: SLF001


LOOPS = {
    "asyncio.events": asyncio_running,
    "asyncio.base_events": asyncio_loops,
    "asyncio.runners": asyncio_runner,
    "uvloop": uvloops,
}
SERVERS = {
    "daphne.server": daphne,
    "granian.asgi": granian,
    "gunicorn.workers.gasgi": gunicorn,
    "hypercorn.app_wrappers": hypercorn,
    "uvicorn.config": uvicorn_config,
    "uvicorn.server": uvicorn_server,
}


def install(root: str = "") -> None:
    """Watch this process from its first loop on; again changes nothing.

    `root` is the folder that loopwatch is in, for a checkout that is not installed. (The folder of
    another environment's packages is no good: the program must not find those.)
    """
    global _hook, _holds_forks
    if _hook is not None:
        return
    if not _holds_forks:
        _holds_forks = True
        FIRST_LOOP.hold_forks()
    if root and os.path.basename(root) not in ("site-packages", "dist-packages"):
        _roots.append(root)
    _hook = ImportHook({**LOOPS, **SERVERS}, lambda text: say(f"runs partly unwatched: {text}"))
    _hook.install()


def uninstall() -> None:
    """Patch nothing more, and watch no loop. Servers that are patched serve as before."""
    global _hook
    if _hook is None:
        return
    _hook.uninstall()
    _hook = None
    FIRST_LOOP.put_back()
    if FIRST_LOOP.has_run:
        call("end")
    FIRST_LOOP.has_run = False
