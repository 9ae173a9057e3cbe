"""uvicorn's options, as its own command line reads them."""

import inspect

import pytest
import uvicorn

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.uvicorn_options import OURS, UNSET, described, parsed


def test_without_options_uvicorn_has_its_defaults() -> None:
    served = parsed(["main:app"])
    config = uvicorn.Config("main:app", **served.options | {"log_config": None})
    bare = uvicorn.Config("main:app", log_config=None)
    alike = {name: value for name, value in vars(bare).items() if name in served.options}
    assert {name: vars(config)[name] for name in alike} == alike
    assert (served.app, served.factory, served.app_dir) == ("main:app", False, "")


def test_every_option_of_uvicorns_reaches_it() -> None:
    """Except for those that say which app, and those that have defaults of ours."""
    known = {parameter.name for parameter in uvicorn.main.params if parameter.name}
    wanted = known & {*inspect.signature(uvicorn.Config).parameters} - {*OURS, *UNSET}
    assert parsed(["main:app"]).options.keys() == wanted
    assert known - wanted <= {*OURS, *UNSET}


def test_options_are_read_wherever_they_stand() -> None:
    before = ["--workers", "2", "--header", "x-a:1:2"]
    after = ["--app-dir", "src", "--factory", "--reload-dir", ".", "--root-path", "/api"]
    served = parsed([*before, "main:app", *after, "--timeout-graceful-shutdown", "3"])
    assert (served.app, served.factory, served.app_dir) == ("main:app", True, "src")
    assert served.options["workers"] == 2
    assert served.options["headers"] == [("x-a", "1:2")]
    assert served.options["reload_dirs"] == ["."]
    assert served.options["root_path"] == "/api"
    assert served.options["timeout_graceful_shutdown"] == 3


def test_uvicorns_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UVICORN_ROOT_PATH", "/api")
    assert parsed(["main:app"]).options["root_path"] == "/api"


@pytest.mark.parametrize("words", [["--uds", "/run/app.sock"], ["--fd", "3"]])
def test_uvicorn_opens_what_has_no_address(words: list[str]) -> None:
    assert parsed(["main:app", *words]).is_elsewhere
    assert not parsed(["main:app"]).is_elsewhere


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "required: APP"),
        (["--frob", "main:app"], "--frob"),
        (["main:app", "--workers", "many"], "--workers"),
        (["main:app", "--port", "65536"], "from 0 to 65535, got '65536'"),
        (["main:app", "--header", "x"], "--header must be name:value, got 'x'"),
        (["main:app", "--loop", "trio"], "got 'trio'"),
        (["main:app", "other:app"], "other:app"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], told: str) -> None:
    with pytest.raises(CommandError) as error:
        parsed(words)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert "--help" in str(error.value)


def test_help_has_all_of_them() -> None:
    text = described()
    for option in ("--workers", "--reload", "--ssl-keyfile", "--uds", "--env-file", "--log-config"):
        assert option in text
