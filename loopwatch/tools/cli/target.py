"""The app to run, from its import string."""

from __future__ import annotations

import importlib
import inspect
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SOURCE_SUFFIXES
from typing import Any, TypeVar

from loopwatch.tools.cli.command_error import CommandError

T = TypeVar("T")

LENGTH = 300  # characters kept of an app's error


def load(target: str, factory: bool) -> Any:
    """Return the ASGI app that `target` names.

    Raises:
        CommandError: there is none, or its import or its factory fails.
    """
    app = find(target, factory)
    if factory:
        app = trying(f"{target} failed to make the app", app)
        if inspect.isawaitable(app):
            getattr(app, "close", bool)()
            raise CommandError(asynchronous(target))
    check(target, app, factory)
    return app


def find(target: str, factory: bool) -> Any:
    """Return the object that `target` names, without a call of the factory that it may be.

    Raises:
        CommandError: there is none, its import fails, or it is no factory.
    """
    module_name, path = parts(target)
    app = attribute(import_module(module_name), path)
    if not factory:
        return app
    if not callable(app):
        raise CommandError(f"{target} must be callable with --factory, got {app!r}")
    if takes(app, "scope", "receive", "send") and not takes(app):
        raise CommandError(
            f"{target} must be callable without arguments with --factory, and is "
            "an app itself: leave --factory out"
        )
    if inspect.iscoroutinefunction(app):
        raise CommandError(asynchronous(target))
    return app


def asynchronous(target: str) -> str:
    return (
        f"{target} must be a plain function with --factory, and is an async one, which no server "
        "awaits: return the app from a def, and do what must be awaited in the app's lifespan"
    )


def parts(target: str) -> tuple[str, str]:
    """Return module and attribute; raises CommandError where the text is not of that form."""
    module_name, _, path = target.partition(":")
    name = "APP must be module:attribute"
    if path.endswith(")") and "(" in path:
        bare = f"{module_name}:{path.partition('(')[0]}"
        raise CommandError(
            f"{name} without a call, got {target!r}: give it as {bare} --factory, where "
            f"{bare.rpartition(':')[2]} takes no arguments and returns the app"
        )
    if module_name and path:
        return module_name, path
    bare = module_name.removesuffix(".py").replace("/", ".") or "main"
    hint = f"give it as {bare}:app for app in {bare.replace('.', '/')}.py"
    if shutil.which(target) or shutil.which(target, path=os.path.dirname(sys.executable)):
        hint += f"; for the program of that name: loopwatch run -- {target}"
    raise CommandError(f"{name}, got {target!r}: {hint}")


def import_module(name: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return trying(f"{name} failed to be imported", lambda: importlib.import_module(name))
    except CommandError as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing and (name == missing or name.startswith(f"{missing}.")):
            hint = "change to the directory it is in"
            if is_file(name):
                hint = "give it as package.module:attribute, without .py"
            raise CommandError(
                f"APP must name a module that can be imported, got {name!r}, which is not found "
                f"from {here}: {hint}"
            ) from None
        raise


def is_file(name: str) -> bool:
    return "/" in name or name.endswith(tuple(SOURCE_SUFFIXES))


def attribute(module: Any, path: str) -> Any:
    found = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise CommandError(
                f"APP must name an attribute of {module.__name__}, got {path!r}: "
                f"there is no {name!r} in {getattr(found, '__file__', None) or repr(found)}"
            ) from None
    return found


def check(target: str, app: Any, factory: bool) -> None:
    """Raise CommandError for an object that clearly is not an ASGI 3 app."""
    if takes(app, "scope", "receive", "send"):
        return
    hint = "is it a factory? Then add --factory" if takes(app) and not factory else ""
    if takes(app, "environ", "start_response"):
        hint = "a WSGI app needs an adapter, such as a2wsgi.WSGIMiddleware"
    raise CommandError(
        f"{target} must be an ASGI 3 app, called with (scope, receive, send), got {brief(app)}"
        + (f": {hint}" if hint else "")
    )


def takes(app: Any, *arguments: str) -> bool:
    if not callable(app):
        return False
    try:
        inspect.signature(app).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # compiled, without a signature
        return True
    return True


def trying(failure: str, action: Callable[[], T]) -> T:
    """Call the app's code; its error becomes a CommandError with its place."""
    try:
        return action()
    except (Exception, SystemExit) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise CommandError(f"{failure}: {text[:LENGTH]}{place(error)}") from error


def place(error: BaseException) -> str:
    """Return where in the app an error was raised, if known."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_ours(f.filename)]
    if isinstance(error, SyntaxError) or not frames:
        return ""  # the text of a SyntaxError has its place
    return f" ({frames[-1].filename}, line {frames[-1].lineno})"


def is_ours(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<") or "importlib" in filename


def brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LENGTH else text[:LENGTH] + "…"
