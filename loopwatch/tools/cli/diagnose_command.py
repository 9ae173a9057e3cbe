"""`loopwatch diagnose`: from "p99 is terrible" to the line, in one command."""

from __future__ import annotations

import importlib
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loopwatch.core.plain import plain
from loopwatch.core.safe_text import safe
from loopwatch.exporters.whole_file import replace
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.folder import overwrite
from loopwatch.tools.cli.json_text import parsed
from loopwatch.tools.cli.load_requests import WARM_UP
from loopwatch.tools.cli.named_file import document
from loopwatch.tools.cli.remote import Remote
from loopwatch.tools.diagnose import conditions
from loopwatch.tools.diagnose.conditions import Condition
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.report_records import SCHEMA, Report
from loopwatch.tools.findings.github_annotations import commands, repository

MET = 1  # exit code: a condition of --fail-on is met
# What has no effect beside another option, with its default.
SERVING = {"factory": False, "loop": "auto", "port": 0, "slow_callback_duration": None}
LOADING = {"header": None, "warm_up": WARM_UP}
ASKING = {"requests": None, "plan": None, "rate": None, "duration": None, "tool": ()}
REPORTING = {"json": None, "html": None, "sarif": None, "github": False}
SHOWN = {"requests": "a request", "tool": "a load tool"}


def diagnose(arguments: Namespace) -> int:
    """Report, and return the exit code; raises CommandError if it cannot."""
    try:
        wanted = [conditions.parse(text) for text in arguments.fail_on]
        check_outputs(arguments)
        if arguments.compare is not None:
            return compared(arguments, wanted)
        return measured(arguments, wanted)
    except DiagnosisError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        raise CommandError("ended before there was anything to report") from None


def measured(given: Namespace, wanted: Sequence[Condition]) -> int:
    """Measure, print, write."""
    check_target(given)
    from loopwatch.tools.cli import load_requests as requests
    from loopwatch.tools.cli import measuring

    if given.attach is not None:
        return published(lambda: measuring.attached(given), given, wanted)
    return published(lambda: measuring.own_app(given, requests.plan(given)), given, wanted)


def published(measure: Callable[[], Any], given: Namespace, wanted: Sequence[Condition]) -> int:
    """Measure, report as the options ask, and return the exit code."""
    from loopwatch.tools.cli import diagnosis_text
    from loopwatch.tools.diagnose.report import report

    html = html_document() if given.html is not None else None
    made = report(measure())
    written = [  # before the output: its reader may close the pipe early
        write("--json", given.json, lambda: json_text(made)),
        write("--html", given.html, lambda: html(made) if html is not None else ""),
        write("--sarif", given.sarif, lambda: sarif_text(made)),
    ]
    diagnosis_text.show(made)
    if given.github:
        show_annotations(made)
    failed = show_conditions(wanted, made)
    if not all(written):
        raise CommandError("the report must be written, and could not be: see above")
    return failed


def compared(given: Namespace, wanted: Sequence[Condition]) -> int:
    if given.app is not None or given.attach is not None:
        raise CommandError("--compare must be alone, got an app too: leave APP and --attach out")
    refuse("--compare", given, SERVING | LOADING | ASKING | REPORTING)
    from loopwatch.tools.cli import comparison_text
    from loopwatch.tools.diagnose.compare import compare
    from loopwatch.tools.diagnose.markdown import markdown

    before, after = (read_report(path) for path in given.compare)
    found = compare(before, after)
    if given.markdown == "-":
        sys.stdout.write(markdown(found))
    else:
        written = write("--markdown", given.markdown, lambda: markdown(found))
        comparison_text.show(found)
        if not written:
            raise CommandError("the comparison must be written, and could not be: see above")
    return show_conditions(wanted, after)


def check_target(given: Namespace) -> None:
    """Raise CommandError unless exactly one thing is to be diagnosed."""
    if (given.app is None) == (given.attach is None):
        raise CommandError(
            "diagnose must have one of APP, such as main:app, --attach URL and --compare: "
            "see loopwatch diagnose --help"
        )
    if given.markdown is not None:
        raise CommandError("--markdown must come with --compare, got it alone: add --compare")
    if given.attach is None:
        if given.tool:
            raise CommandError("a load tool must have --attach URL, got APP: give requests instead")
        return
    Remote(given.attach)
    if given.requests or given.plan is not None or given.rate is not None:
        raise CommandError(
            "--attach must come without a load of loopwatch's, got one: leave requests and --rate "
            "out, or give the command of a load tool after --"
        )
    refuse("--attach", given, SERVING | LOADING)
    if given.tool and given.duration is not None:
        raise CommandError("--duration must come without a load tool, got both: leave one out")


def refuse(beside: str, given: Namespace, options: Mapping[str, object]) -> None:
    """Raise CommandError for an option that has no effect beside another."""
    for name, default in options.items():
        if getattr(given, name) != default:
            option = SHOWN.get(name) or f"--{name.replace('_', '-')}"
            raise CommandError(
                f"{beside} must come without {option}, which has no effect there: leave one out"
            )


def check_outputs(given: Namespace) -> None:
    """Before measuring, raise CommandError for a file that clearly cannot be written."""
    files: dict[str, str] = {}
    for option in ("json", "html", "markdown", "sarif"):
        path = getattr(given, option, None)
        if path is None or (option, path) == ("markdown", "-"):
            continue
        check_writable(f"--{option}", path)
        first = files.setdefault(os.path.realpath(path), option)
        if first != option and not is_descriptor(Path(path)):
            raise CommandError(
                f"--{first} and --{option} must be different files, got {safe(path)} for both"
            )


def check_writable(option: str, name: str) -> None:
    why, path = None, Path(name)
    if not name:
        why = "it is empty"
    elif path.is_dir():
        why = "it is a directory"
    elif not path.parent.is_dir():
        why = f"there is no directory {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "no permission"
    if why is not None:
        raise CommandError(f"{option} must be a file to write, got {name or repr(name)}: {why}")


def html_document() -> Callable[[Report], str]:
    made: Any = importlib.import_module("loopwatch.tools.diagnose.html")
    html: Callable[[Report], str] = made.document
    return html


def json_text(made: Report) -> str:
    return json.dumps(plain(made), allow_nan=False, indent=1) + "\n"


def sarif_text(made: Report) -> str:
    from loopwatch.tools.diagnose.culprit_findings import findings
    from loopwatch.tools.findings import sarif

    return sarif.text(findings(made), repository(os.environ, Path.cwd()))


def show_annotations(made: Report) -> None:
    from loopwatch.tools.diagnose.culprit_findings import findings

    for line in commands(findings(made), repository(os.environ, Path.cwd())):
        sys.stdout.write(line + "\n")


def write(option: str, path: str | None, text: Callable[[], str]) -> bool:
    """Write a file if one is wanted; report a failure, and return whether all went well."""
    if path is None:
        return True
    try:
        put(Path(path), text().encode(errors="backslashreplace"))
    except OSError as error:
        why = error.strerror or str(error)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # of an odd report
        why = f"its numbers do not agree ({type(error).__name__}: {error})"
    else:
        return True
    sys.stderr.write(f"loopwatch: {option} {safe(path)} was not written: {safe(why)}\n")
    return False


def put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, where it is one and can be replaced."""
    if is_descriptor(path) or (path.exists() and not path.is_file()):  # /dev/stdout; a pipe
        path.write_bytes(content)
    elif os.access(path.parent, os.W_OK):
        replace(path, content)
    else:
        overwrite(path, content)


def is_descriptor(path: Path) -> bool:
    """Return whether a path names what the process has open, and so is never replaced."""
    return os.path.abspath(path).startswith(("/dev/", "/proc/"))


def read_report(path: str) -> Report:
    """Return a report that `--json` wrote; raises CommandError for anything else."""
    from loopwatch.tools.diagnose.checking import finite
    from loopwatch.tools.diagnose.reading import read

    data = document("a report", "JSON", path, parsed)
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise CommandError(
            f"a report must have schema {SCHEMA}, got {schema!r} in {path}: "
            "write it with loopwatch diagnose --json, of the same version"
        )
    what = f"a report must be as --json writes it, got {path}"
    return finite(read(Report, data, what), what)


def show_conditions(wanted: Sequence[Condition], made: Report) -> int:
    """Print each condition that is met; return the exit code."""
    met = [condition for condition in wanted if condition.met(made)]
    for condition in met:
        sys.stderr.write(
            f"loopwatch: failed on {safe(condition.text)}: it is {condition.value(made):.4g}\n"
        )
    return MET if met else 0
