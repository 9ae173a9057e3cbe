"""Bad input: one clear line, exit code 2, nothing left behind."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwatch.__main__ import main
from tests.tools.cli.complaints import complaint
from tests.tools.cli.running import APPS, loopwatch


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("shop", "must be module:attribute, got 'shop'"),
        ("shop:", "must be module:attribute"),
        (":app", "must be module:attribute"),
        ("nowhere:app", f"'nowhere', which is not found from {APPS}"),
        ("shop.py:app", "without .py"),
        ("apps/shop.py:app", "without .py"),
        ("shop:shop", "there is no 'shop' in "),
        ("shop:app.routes.x", "there is no 'x'"),
        ("shop:number", "must be an ASGI 3 app, called with (scope, receive, send), got 5"),
        ("shop:make_app", "add --factory"),
        ("shop:wsgi", "adapter"),
        ("raising:app", "raising failed to be imported: RuntimeError: no settings ("),
        ("raising:app", "raising.py, line 3)"),
        ("lacking:app", "No module named 'there_is_no_such_module'"),
        ("exiting:app", "SystemExit: set SHOP first"),
        ("shop:make_app()", "without a call, got 'shop:make_app()': give it as shop:make_app --fa"),
        ("python", "for the program of that name: loopwatch run -- python"),
    ],
)
def test_app_that_cannot_be_had(target: str, words: str) -> None:
    assert words in complaint("run", target)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("shop:number", "must be callable with --factory, got 5"),
        ("shop:make_app_slowly", "must be a plain function with --factory, and is an async one"),
        ("shop:app_function", "is an app itself: leave --factory out"),
        ("shop:make_nothing", "failed to make the app: LookupError: no shop to be had ("),
    ],
)
def test_factory_that_makes_nothing(target: str, words: str) -> None:
    assert words in complaint("run", target, "--factory")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: COMMAND"),
        (("frob",), "invalid choice: 'frob'"),
        (("run",), "required: APP"),
        (("run", "shop:app", "--port", "70000"), "from 0 to 65535, got '70000'"),
        (("run", "shop:app", "--port", "-1"), "--port"),
        (("run", "shop:app", "--admin-port", "http"), "from 0 to 65535, got 'http'"),
        (("run", "shop:app", "--loop", "trio"), "got 'trio'"),
        (("run", "shop:app", "--slow-callback-duration", "0"), "above 0, got '0'"),
        (("run", "shop:app", "--slow-callback-duration", "nan"), "above 0, got 'nan'"),
        (("run", "shop:app", "--slow-callback-duration", "soon"), "above 0, got 'soon'"),
        (("run", "shop:app", "--frob"), "--frob"),
    ],
)
def test_wrong_arguments(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("loopwatch: ")
    assert words in line
    assert "--help" in line


def test_workers_that_could_only_fail_are_not_begun() -> None:
    for target in ("shop:nowhere", "nowhere:app", "shop"):
        assert "APP must" in complaint("run", target, "--workers", "2")
    line = complaint("run", "shop:make_app_slowly", "--factory", "--workers", "2")
    assert "async" in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--", "no-such-program"), "which is not found"),
        (("--frob", "--", "python"), "must be loopwatch's own options, got '--frob'"),
        (("--admin-port", "x", "--", "python"), "from 0 to 65535, got 'x'"),
        (("--",), "required: APP, or -- COMMAND"),
        (("shop:app", "--workers", "2", "--end-with-stdin"), "--end-with-stdin must be left out"),
    ],
)
def test_programs_that_cannot_be_run(words: tuple[str, ...], told: str) -> None:
    assert told in complaint("run", *words)


def test_taken_ports(taken: str) -> None:
    line = complaint("run", "shop:app", "--port", taken, "--admin-port", "0")
    assert f"--host and --port must be free to listen on, got 127.0.0.1 port {taken} (" in line
    line = complaint("run", "shop:app", "--port", "0", "--admin-port", taken)
    assert (
        f"--admin-host and --admin-port must be free to listen on, got 127.0.0.1 port {taken}"
        in line
    )


def test_host_that_is_none() -> None:
    assert "got nowhere.invalid port 0" in complaint(
        "run", "shop:app", "--host", "nowhere.invalid", "--port", "0"
    )


def test_unknown_variable() -> None:
    assert "LOOPWATCH_FROB is no option" in complaint("run", "shop:app", LOOPWATCH_FROB="1")


def test_app_that_does_not_start_up() -> None:
    """Its own traceback is the server's to tell; then one line of ours."""
    done = loopwatch("run", "closed:app", "--port", "0", "--admin-port", "0")
    assert done.returncode == 2
    assert "RuntimeError: no database" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("loopwatch: closed:app must start up")


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is for POSIX")
def test_missing_uvloop_names_its_install(tmp_path: Path) -> None:
    code = "import importlib.util as u\nf = u.find_spec\n"
    code += "u.find_spec = lambda n, p=None: None if n == 'uvloop' else f(n, p)\n"
    (tmp_path / "sitecustomize.py").write_text(code)
    path = f"{tmp_path}:{APPS.parents[3]}"
    line = complaint("run", "shop:app", "--loop", "uvloop", PYTHONPATH=path)
    assert "pip install uvloop" in line
