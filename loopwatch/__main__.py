"""The command `loopwatch`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from loopwatch.cli.arguments import parse
from loopwatch.cli.diagnose import diagnose
from loopwatch.cli.errors import CommandError
from loopwatch.cli.grafana import grafana
from loopwatch.cli.run import run
from loopwatch.cli.top import top

WRONG = 2  # exit code: it could not do as asked
COMMANDS: dict[str, Callable[[Namespace], int | None]] = {
    "run": run,
    "diagnose": diagnose,
    "top": top,
    "grafana": grafana,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    try:
        arguments = parse(argv)
        return COMMANDS[arguments.command](arguments) or 0
    except CommandError as error:
        sys.stderr.write(f"loopwatch: {error}\n")
        return WRONG
    except SystemExit as done:  # --help, --version
        return done.code if isinstance(done.code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
