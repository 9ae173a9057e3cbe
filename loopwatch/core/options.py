"""Checks of options from any source; errors say what must hold, what came, and what to do."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from loopwatch.core.safe_text import safe
from loopwatch.core.service_links import is_service_link
from loopwatch.core.speedups import speedups

PREFIX = "LOOPWATCH_"
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Share(float):
    """A part of one, above 0."""


class SwitchOrFolder:
    """A switch, or the folder that it is turned on with."""


VARIABLES = {  # the options that an environment variable can set
    "slow_callback_duration": float,
    "live_after": float,
    "cpu_budget": Share,
    "debug": bool,
    "native": bool,
    "server_timing": bool,
    "trust_request_start": bool,
    "log": bool,
    "otel": bool,
    "flight_recorder": SwitchOrFolder,
    "metrics_port": int,
    "metrics_host": str,
    "app_packages": tuple,
    "allow": tuple,
}


class AnyPort(int):
    """The number of a port, or 0 for any that is free."""


RUN_VARIABLES = {  # those of `loopwatch run` and of the start-up hook, which no `Watch` takes
    "summary": bool,
    "admin_host": str,
    "admin_port": AnyPort,
}

PACKAGE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
SITE_PATTERN = re.compile(r"[\w.<>*?\[\]!-]+")
HOST = re.compile(r"[A-Za-z0-9._:%-]+")
PORTS = range(1, 65536)
CALL_PATTERN = re.compile(r"\*?\w[\w.]*|\*\.\w[\w.]*")


def seconds(name: str, value: Any) -> float:
    """Return a duration; raises TypeError if it is no number, ValueError if not above 0."""
    hint = f"give {name} in seconds, such as 0.1, or leave it out for the default"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}; {hint}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}; {hint}")
    return float(value)


def share(name: str, value: Any) -> float:
    """Return a share; raises TypeError if it is no number, ValueError if not above 0, up to 1."""
    hint = f"give {name} as 0.05 for a twentieth, or leave it out for the default"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number above 0, up to 1, got {value!r}; {hint}")
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be above 0, and 1 at most, got {value!r}; {hint}")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Return a switch; raises TypeError if it is not True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def flight_recorder(value: Any) -> tuple[bool, Path | None]:
    """Return whether there is a flight recorder, and the folder that it writes traces into. None:
    there is one where the compiled part is, as the Python version costs much. Raises TypeError if
    it is neither a switch nor a path, ValueError if there is no such folder."""
    hint = "give flight_recorder as True, as False, or as the path of a folder for its traces"
    if value is None or isinstance(value, bool):
        return speedups is not None if value is None else value, None
    if not isinstance(value, str | os.PathLike) or isinstance(value, bytes):
        raise TypeError(f"flight_recorder must be True, False or a folder, got {value!r}; {hint}")
    folder = Path(value)
    if not value or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(
            f"flight_recorder must be a folder that is there and can be written to, got "
            f"{str(value)!r}; {hint}"
        )
    return True, folder.resolve()


def packages(name: str, value: Any) -> tuple[str, ...]:
    """Return import names; raises TypeError or ValueError if they are invalid."""
    wanted = "import names such as 'shop' or 'acme.shop', no paths and no names of distributions"
    return _texts(name, value, PACKAGE, wanted)


def site_patterns(name: str, value: Any) -> tuple[str, ...]:
    """Return patterns of sites; raises TypeError or ValueError if they are invalid."""
    wanted = "patterns of module.qualname such as 'shop.reports.*', no paths and no lines"
    return _texts(name, value, SITE_PATTERN, wanted)


def _texts(name: str, value: Any, valid: re.Pattern[str], wanted: str) -> tuple[str, ...]:
    """Return texts as a tuple; raises TypeError for a single text, an easy mistake."""
    if isinstance(value, str):
        raise TypeError(f"{name} must be a tuple, got the text {value!r}; give ({value!r},)")
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"{name} must be a tuple of {wanted}, got {value!r}")
    for text in value:
        if not isinstance(text, str):
            raise TypeError(f"{name} must have {wanted}, got {text!r}")
        if not valid.fullmatch(text):
            raise ValueError(f"{name} must have {wanted}, got {text!r}")
    return tuple(value)


def sentences(name: str, value: Any) -> dict[str, str]:
    """Return advice by call; raises TypeError or ValueError if it is invalid."""
    hint = f'such as {name}={{"acme.db.query": "Use acme.aio.query instead."}}'
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must map calls to sentences, got {value!r}; {hint}")
    for call, sentence in value.items():
        if not isinstance(call, str) or not CALL_PATTERN.fullmatch(call):
            raise ValueError(
                f"{name} must have dotted names of calls, or '*' and how one ends, such as "
                f"'acme.db' or '*.run_report', got {call!r}; {hint}"
            )
        if not isinstance(sentence, str) or not sentence.strip():
            raise ValueError(f"{name} must have a sentence for {call!r}, got {sentence!r}; {hint}")
    return dict(value)


def count(name: str, value: Any, most: int) -> int:
    """Return a number of things; raises TypeError if it is none, ValueError if out of range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number from 1 to {most}, got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{name} must be from 1 to {most}, got {value!r}")
    return value


def one_of(name: str, value: Any, names: Sequence[str]) -> str:
    """Return one of a few names; raises ValueError for anything else."""
    if value not in names:
        raise ValueError(f"{name} must be {' or '.join(map(repr, names))}, got {value!r}")
    return str(value)


def registry(value: Any) -> CollectorRegistry | None:
    """Return a Prometheus registry or None; raises TypeError for anything else."""
    if isinstance(value, CollectorRegistry | None):
        return value
    raise TypeError(
        f"registry must be a prometheus_client.CollectorRegistry or None, got {value!r}"
    )


def port(name: str, value: Any) -> int | None:
    """Return a port or None; raises TypeError if it is neither, ValueError if out of range."""
    hint = f"give {name} as 9100, or leave it out for none"
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be the number of a port or None, got {value!r}; {hint}")
    if value not in PORTS:
        raise ValueError(f"{name} must be from 1 to {PORTS[-1]}, got {value!r}; {hint}")
    return value


def host(name: str, value: Any) -> str:
    """Return the name or address of a host; raises TypeError or ValueError if it is invalid."""
    hint = f"give {name} as 127.0.0.1, or 0.0.0.0 for whoever can reach this machine"
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {value!r}; {hint}")
    if not HOST.fullmatch(value):
        raise ValueError(f"{name} must be a host's name or address, got {value!r}; {hint}")
    return value


def from_environment(
    known: Mapping[str, type], environment: Mapping[str, str], others: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the options set by `LOOPWATCH_<NAME>` variables, except for those of `others`.

    Raises ValueError for a variable that is no option, or for an invalid value. Those that
    Kubernetes sets for a Service named like us are nobody's options, and left alone.
    """
    names = {PREFIX + name.upper(): name for name in known}
    left = {PREFIX + name.upper() for name in others}
    read: dict[type, Callable[[str, str], Any]] = {
        float: _number(seconds, "a finite number of seconds above 0", "0.1"),
        Share: _number(share, "a number above 0, and 1 at most", "0.05"),
        bool: _bool,
        SwitchOrFolder: _switch_or_folder,
        tuple: _list,
        int: _port,
        AnyPort: _any_port,
        str: host,
    }
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        ours = variable.startswith(PREFIX) and variable not in left
        if ours and not is_service_link(variable.removeprefix(PREFIX), text):
            if variable not in names:
                raise ValueError(unknown(variable, {*names, *left}))
            found[names[variable]] = read[known[names[variable]]](variable, text)
    return found


def unknown(variable: str, names: Iterable[str]) -> str:
    import difflib  # rarely needed: the app is about not to start

    bare = {name.removeprefix(PREFIX): name for name in names}
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), list(bare), n=1)
    cure = f"did you mean {bare[close[0]]}? Known" if close else "known"
    return f"{safe(variable)} is no option of loopwatch; {cure} are: {', '.join(sorted(names))}"


def _list(variable: str, text: str) -> tuple[str, ...]:
    """Return the texts between commas; the option itself is checked when it is used."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _bool(variable: str, text: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError(f"{variable} must be one of {', '.join(TRUE + FALSE)}, got {text!r}")


def _switch_or_folder(variable: str, text: str) -> bool | str:
    """Return a switch, or a folder; the option itself is checked when it is used."""
    if text.lower() in TRUE + FALSE:
        return text.lower() in TRUE
    if os.sep in text:
        return text
    raise ValueError(
        f"{variable} must be one of {', '.join(TRUE + FALSE)}, or the path of a folder, such as "
        f"/var/tmp/traces, got {text!r}"
    )


def _digits(text: str) -> int:
    """Return a number, or one that is too large for a port; `int` takes its time for a long one."""
    return int(text.lstrip("0")[:6] or 0)


def _port(variable: str, text: str) -> int | None:
    if text.isascii() and text.isdigit():
        return port(variable, _digits(text))
    raise ValueError(
        f"{variable} must be a whole number from 1 to {PORTS[-1]}, got {text!r}; "
        f"give it as 9100, or unset it for none"
    )


def _any_port(variable: str, text: str) -> int:
    if text.isascii() and text.isdigit() and _digits(text) <= PORTS[-1]:
        return _digits(text)
    raise ValueError(
        f"{variable} must be a whole number from 0 to {PORTS[-1]}, got {text!r}; give it as 9464, "
        "as 0 for any free port, or unset it for the default"
    )


def _number(
    check: Callable[[str, float], float], what: str, example: str
) -> Callable[[str, str], float]:
    """Return a reader of numbers that `check` accepts, `what` they must be."""

    def read(variable: str, text: str) -> float:
        try:
            return check(variable, float(text))
        except ValueError:
            raise ValueError(
                f"{variable} must be {what}, got {text!r}; "
                f"give it as {example}, or unset it for the default"
            ) from None

    return read
