"""The requests of a load: from options, in their order, or from a plan file."""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.named_file import document
from loopwatch.tools.diagnose.plan import MOST, Plan, Shot

RATE, DURATION, WARM_UP = 20.0, 15.0, 1.0  # requests/s, s, s
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
STRICT = {"extra": "forbid"}
PLAN = 1 << 20  # bytes of a plan file
TYPE = "content-type"
NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)  # of a header


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEntry:
    """`[[requests]]` of a plan file."""

    __pydantic_config__: ClassVar[Any] = STRICT

    path: str
    method: str = "GET"
    weight: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    json: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """A plan file. Options of the command line override it."""

    __pydantic_config__: ClassVar[Any] = STRICT

    requests: list[RequestEntry]
    rate: float | str | None = None
    duration: float | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Ask(argparse.Action):
    """`--get PATH` and similar options: one more request."""

    def __call__(
        self, parser: Any, given: Namespace, value: Any, option: str | None = None
    ) -> None:
        method = (option or "").removeprefix("--").upper()
        entry = RequestEntry(path=value, method=method)
        given.requests = [*(given.requests or ()), entry]


class OfTheLatest(argparse.Action):
    """`--body TEXT` and `--weight N` change the request before them."""

    def __call__(
        self, parser: Any, given: Namespace, value: Any, option: str | None = None
    ) -> None:
        if not given.requests:
            parser.error(f"{option} must follow the request it belongs to, such as --post PATH")
        given.requests = [*given.requests[:-1], replace(given.requests[-1], **{self.dest: value})]


def plan(given: Namespace) -> Plan:
    """Return the plan of the command line and its plan file; raises CommandError."""
    file = plan_file(given.plan) if given.plan is not None else PlanFile(requests=[])
    entries = [*file.requests, *(given.requests or ())]
    if not entries:
        raise CommandError(
            "diagnose must have a request to send, and got none: "
            "give --get PATH, --post PATH --body TEXT, or --plan FILE"
        )
    shared = file.headers | dict(given.header or ())
    rate, rate_end = given.rate or rates(str(file.rate if file.rate is not None else RATE))
    made = Plan(
        shots=tuple(shot(entry, shared) for entry in entries),
        rate=rate,
        rate_end=rate_end,
        duration=given.duration
        or positive("duration", DURATION if file.duration is None else file.duration),
    )
    if not 1 <= made.count <= MOST:
        raise CommandError(
            f"rate times duration must be from 1 to {MOST} requests, got {made.count}: "
            "change --rate or --duration"
        )
    return made


def plan_file(path: str) -> PlanFile:
    from loopwatch.tools.diagnose.reading import read

    data = document("--plan", "TOML", path, tomllib.loads, PLAN)
    return read(PlanFile, data, f"--plan must be a plan, got {path}")


def shot(entry: RequestEntry, shared: Mapping[str, str]) -> Shot:
    """Return a request as it is sent; raises CommandError if it is invalid."""
    if not entry.path.startswith("/") or any(c.isspace() for c in entry.path):
        raise CommandError(
            f"a path must start with / and have no spaces, got {entry.path!r}: "
            "write it as in a URL, such as /users/7?full=1"
        )
    if entry.method.upper() not in METHODS:
        raise CommandError(f"a method must be one of {' '.join(METHODS)}, got {entry.method!r}")
    positive("weight", entry.weight)
    if entry.body is not None and entry.json is not None:
        raise CommandError(f"{entry.path} must have body or json, and has both: leave one out")
    text = entry.body if entry.json is None else json_body(entry)
    headers = {**shared, **entry.headers}
    if text is not None and TYPE not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json" if is_json(text) else "text/plain"
    check_headers(headers)
    body = text.encode("utf-8", "surrogateescape") if text is not None else None  # as it was typed
    return Shot(
        method=entry.method.upper(),
        path=entry.path,
        headers=headers,
        body=body,
        weight=entry.weight,
    )


def json_body(entry: RequestEntry) -> str:
    try:
        return json.dumps(entry.json, allow_nan=False)
    except (TypeError, ValueError) as error:  # a date, which TOML has; a number that is none
        raise CommandError(f"json of {entry.path} must be JSON: {error}") from error


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"must be NAME: VALUE, got {text!r}")
    return name.strip(), value.strip()


def check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not NAME.fullmatch(name) or not value.replace("\t", " ").isprintable():
            raise CommandError(
                "a header must be NAME: VALUE in printable characters, and NAME one word, got "
                f"{name!r}: {value!r}"
            )


def rates(text: str) -> tuple[float, float]:
    """Return the rate at the beginning and at the end of `40` or `10:200`."""
    first, colon, last = text.partition(":")
    try:
        found = float(first), float(last if colon else first)
    except ValueError:
        found = (0.0, 0.0)
    if not all(0 < rate <= MOST for rate in found):
        raise CommandError(
            f"rate must be requests a second above 0, got {text!r}: give it as 40, or as 10:200 "
            f"to rise from 10 to 200; {MOST} is the most"
        )
    return found


def positive(name: str, value: float) -> float:
    if not 0 < value <= MOST:
        raise CommandError(f"{name} must be a number above 0, got {value!r}; {MOST} is the most")
    return value
