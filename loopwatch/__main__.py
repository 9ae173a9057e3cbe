"""The command `loopwatch`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from loopwatch.core.extras import MissingExtraError
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.arguments import parse
from loopwatch.tools.cli.attach_command import attach
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.diagnose_command import diagnose
from loopwatch.tools.cli.grafana_command import grafana
from loopwatch.tools.cli.run_command import run
from loopwatch.tools.cli.top_command import top
from loopwatch.tools.cli.trace_command import trace

WRONG = 2  # exit code: it could not do as asked
COMMANDS: dict[str, Callable[[Namespace], int | None]] = {
    "run": run,
    "diagnose": diagnose,
    "top": top,
    "attach": attach,
    "trace": trace,
    "grafana": grafana,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    try:
        arguments = parse(argv)
        return COMMANDS[arguments.command](arguments) or 0
    except CommandError as error:
        return refused(str(error))
    except MissingExtraError as missing:
        return refused(missing.told(arguments.command))
    except SystemExit as done:  # --help, --version
        return done.code if isinstance(done.code, int) else 0


def refused(why: str) -> int:
    sys.stderr.write(f"loopwatch: {safe(why)}\n")
    return WRONG


if __name__ == "__main__":
    sys.exit(main())
