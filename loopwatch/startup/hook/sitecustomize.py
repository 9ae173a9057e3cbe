"""Python imports this as it starts, in the program under `loopwatch run` and in its children.

It must cost a process that never runs a loop next to nothing: it imports two small modules by
their file, so that the package itself stays out until a loop begins to run. Whatever fails here is
one warning, and the program runs unwatched. The `sitecustomize` that Python would have found
without us is loaded afterwards, and `sys.path` is what it would have been.
"""

from __future__ import annotations

import os
import sys

TYPING = False  # as typing.TYPE_CHECKING, which would have to be imported
if TYPING:
    from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
OLDEST = (3, 11)


def start() -> None:
    """Install the hooks; raises whatever goes wrong."""
    if sys.version_info < OLDEST:
        raise RuntimeError("loopwatch needs Python 3.11 or newer")
    patches = load("loopwatch.startup.import_hook"), load("loopwatch.startup.patches")
    patches[-1].install(ROOT)


def load(name: str) -> ModuleType:
    """Load a module of ours by its file, without the packages that it is in."""
    from importlib.machinery import ModuleSpec, SourceFileLoader

    if name in sys.modules:
        return sys.modules[name]
    path = os.path.join(os.path.dirname(HERE), name.rpartition(".")[2] + ".py")
    loader = SourceFileLoader(name, path)
    module = type(sys)(name)
    module.__spec__ = ModuleSpec(name, loader, origin=path)
    module.__file__, module.__package__ = path, name.rpartition(".")[0]
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def next_one() -> None:
    """Load the `sitecustomize` that would have been loaded without us, if there is one."""
    from importlib.machinery import PathFinder

    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != HERE]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    try:
        start()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        sys.stderr.write(f"loopwatch: process {os.getpid()} runs unwatched: {why}\n")
    next_one()
