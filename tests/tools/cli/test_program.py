"""Which program is run, and with which environment."""

import os
import sys
from pathlib import Path

import pytest

from loopwatch.tools.cli.arguments import parse
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.program import found, with_hook
from loopwatch.tools.cli.run_arguments import HELP, KNOWN, environment_of

HOOK = Path(sys.modules["loopwatch.tools.cli.program"].__file__ or "").parents[2] / "startup/hook"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, [HOOK]),
        ({"PYTHONPATH": ""}, [HOOK]),
        ({"PYTHONPATH": f"a{os.pathsep}b"}, [HOOK, "a", "b"]),
        ({"PYTHONPATH": f"a{os.pathsep}{HOOK}"}, [HOOK, "a"]),
        ({"PYTHONPATH": f"a{os.pathsep}"}, [HOOK, "a", ""]),  # which stands for the current folder
    ],
)
def test_the_hook_comes_first_on_the_path(before: dict[str, str], after: list[object]) -> None:
    hooked = with_hook({"OTHER": "1", **before})
    assert hooked == {"OTHER": "1", "PYTHONPATH": os.pathsep.join(map(str, after))}
    assert (HOOK / "sitecustomize.py").is_file()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no-such-program", "got 'no-such-program', which is not found"),
        ("main.py", "for a script, loopwatch run -- python main.py"),
        ("main:app", "for an app, loopwatch run main:app"),
    ],
)
def test_a_program_that_is_not_there(name: str, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        found(name)


def test_a_file_that_is_no_program_is_not_said_to_be_missing(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text("")
    with pytest.raises(CommandError, match="which may not be executed: for a script, loopwatch"):
        found(str(script))
    with pytest.raises(CommandError, match="which is a directory"):
        found(str(tmp_path))


def test_a_program_beside_this_python_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert found(Path(sys.executable).name) == sys.executable


def test_flags_become_variables_and_win() -> None:
    words = "run --native --no-log --slow-callback-duration 0.05 --admin-port 0 --allow a.b,c.*"
    arguments = parse([*words.split(), "--", "gunicorn", "-w", "2", "--", "x"])
    assert arguments.tool == ("gunicorn", "-w", "2", "--", "x")
    assert environment_of(arguments, {"LOOPWATCH_LOG": "1", "LOOPWATCH_ADMIN_HOST": "::1"}) == {
        "LOOPWATCH_NATIVE": "1",
        "LOOPWATCH_LOG": "0",
        "LOOPWATCH_SLOW_CALLBACK_DURATION": "0.05",
        "LOOPWATCH_ALLOW": "a.b,c.*",
        "LOOPWATCH_ADMIN_PORT": "0",
        "LOOPWATCH_ADMIN_HOST": "::1",
        "LOOPWATCH_SUMMARY": "1",
    }


def test_a_service_s_variable_does_not_take_a_default_away() -> None:
    """Of a Service `loopwatch-admin`, as Kubernetes sets it."""
    service = {"LOOPWATCH_ADMIN_PORT": "tcp://10.0.0.1:80", "LOOPWATCH_PORT": "tcp://10.0.0.1:80"}
    whole = environment_of(parse(["run", "--", "gunicorn"]), service)
    assert whole["LOOPWATCH_ADMIN_PORT"] == "9464"
    assert whole["LOOPWATCH_PORT"] == "tcp://10.0.0.1:80"


def test_every_option_has_a_flag_with_help() -> None:
    assert HELP.keys() == KNOWN.keys()


def test_words_that_are_not_ours_are_uvicorns() -> None:
    arguments = parse(["run", "--workers", "2", "--native", "main:app", "--log-level", "info"])
    assert arguments.served == ("--workers", "2", "main:app", "--log-level", "info")
    assert arguments.native is True
