"""Any program under the start-up hook: `loopwatch run -- COMMAND`.

The program takes the place of this process, so its id, its signals, its exit code and its streams
are its own. What makes it watched is one folder in front of PYTHONPATH.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from loopwatch.startup import hook
from loopwatch.tools.cli.command_error import CommandError

IGNORED = ("SIGPIPE", "SIGXFSZ")  # by Python itself as it starts; a shell would not ignore them


def execute(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program under the hook; return only on Windows, with its exit code.

    Raises:
        CommandError: there is no such program, or it cannot be run.
    """
    path, hooked = found(command[0]), with_hook(environment)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if sys.platform == "win32":
            return subprocess.call([path, *command[1:]], env=hooked)
        for name in IGNORED:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execve(path, [*command], hooked)
    except OSError as error:
        raise CommandError(
            f"COMMAND must be a program that can be run, got {command[0]!r} "
            f"({error.strerror}){cure(command[0])}"
        ) from error


def found(name: str) -> str:
    """Return the path of a program: on PATH, else beside the Python that runs loopwatch."""
    beside = os.path.dirname(sys.executable)
    path = shutil.which(name) or shutil.which(name, path=beside)
    if path is None:
        raise CommandError(
            f"COMMAND must be a program on PATH or its path, got {name!r}, which {lacks(name)}"
            f"{cure(name)}"
        )
    return path


def lacks(name: str) -> str:
    """Return why a name is no program; one without a folder is sought on PATH alone."""
    if os.path.isdir(name) and os.path.dirname(name):
        return "is a directory"
    if os.path.exists(name) and os.path.dirname(name):
        return "may not be executed"
    return "is not found"


def cure(name: str) -> str:
    if name.endswith(".py"):
        return f": for a script, loopwatch run -- python {name}"
    if ":" in name:
        return f": for an app, loopwatch run {name}"
    return ""


def with_hook(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the hook's folder in front of PYTHONPATH."""
    assert hook.__file__ is not None
    folder = Path(hook.__file__).parent
    if not folder.is_dir():
        raise CommandError(f"loopwatch must be installed as files, and {folder} is no folder")
    before = environment.get("PYTHONPATH", "")
    rest = [path for path in before.split(os.pathsep) if path != str(folder)] if before else []
    return {**environment, "PYTHONPATH": os.pathsep.join([str(folder), *rest])}
