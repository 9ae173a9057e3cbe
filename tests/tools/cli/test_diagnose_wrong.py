"""`loopwatch diagnose`, bad input: one clear line, exit code 2, before anything is measured."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from loopwatch.__main__ import main
from loopwatch.core.plain import plain
from tests.tools.cli.complaints import complaint
from tests.tools.cli.running import running
from tests.tools.diagnose.made import report

GET = ("--get", "/good")
ATTACH = ("--attach", "http://127.0.0.1:1")
COMPARE = ("--compare", "/nowhere", "/nowhere")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere:app", "'nowhere', which is not found from"),
        ("raising:app", "raising failed to be imported: RuntimeError: no settings ("),
        ("closed:app", "its lifespan failed: RuntimeError: no database"),
    ],
)
def test_app_that_cannot_be_had(target: str, words: str) -> None:
    assert words in complaint("diagnose", target, *GET)


@pytest.mark.slow
def test_port_that_is_taken() -> None:
    with running("shop:app") as run:
        port = run.app.rpartition(":")[2]
        assert f"port {port} (" in complaint("diagnose", "shop:app", *GET, "--port", port)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "must have one of APP"),
        (("shop:app",), "must have a request to send"),
        (("shop:app", "--attach", "http://127.0.0.1:1", *GET), "must have one of APP"),
        (("shop:app", "--get", "good"), "must start with /"),
        (("shop:app", "--body", "x"), "--body must follow the request"),
        (("shop:app", *GET, "--rate", "0"), "above 0, got '0'"),
        (("shop:app", *GET, "--rate", "10:soon"), "above 0, got '10:soon'"),
        (("shop:app", *GET, "--duration", "-1"), "above 0, got '-1'"),
        (("shop:app", *GET, "--warm-up", "-1"), "from 0 on, got '-1'"),
        (("shop:app", *GET, "--rate", "9999", "--duration", "9999"), "from 1 to 1000000"),
        (("shop:app", *GET, "--rate", "1e99"), "200; 1000000 is the most"),
        (("shop:app", *GET, "--duration", "inf"), "got 'inf'; 1000000 is the most"),
        (("shop:app", *GET, "--weight", "0"), "weight must be a number above 0"),
        (("shop:app", *GET, "--weight", "1e9"), "got 1000000000.0; 1000000 is the most"),
        (("shop:app", *GET, "--header", "nonsense"), "must be NAME: VALUE"),
        (("shop:app", *GET, "--header", "X: a\nb"), "printable characters, and NAME one word"),
        (("shop:app", *GET, "--header", "A B: x"), "got 'A B': 'x'"),
        (("shop:app", *GET, "--html", "/nowhere/x.html"), "there is no directory /nowhere"),
        (("shop:app", *GET, "--json", "/"), "it is a directory"),
        (("shop:app", *GET, "--sarif", ""), "--sarif must be a file to write, got '': it is empty"),
        (("shop:app", *GET, "--json", "x", "--html", "./x"), "--json and --html must be different"),
        (("shop:app", *GET, "--plan", "/nowhere.toml"), "--plan must be a file to read"),
        (("shop:app", *GET, "--fail-on", "frob>1"), "knows no 'frob'"),
        (("shop:app", *GET, "--markdown", "-"), "--markdown must come with --compare"),
        (("shop:app", *GET, "--", "wrk"), "must have --attach URL"),
        (("--attach", "nonsense"), "URL must be an http:// or https:// address"),
        (("--attach", "http://127.0.0.1:1"), "must answer, and does not"),
        (("--attach", "http://127.0.0.1:1", *GET), "leave requests and --rate"),
        (("--attach", "http://127.0.0.1:1", "--duration", "1", "--", "wrk"), "leave one out"),
        ((*ATTACH, "--factory"), "--attach must come without --factory"),
        ((*ATTACH, "--loop", "uvloop"), "--attach must come without --loop"),
        ((*ATTACH, "--port", "1"), "--attach must come without --port"),
        ((*ATTACH, "--slow-callback-duration", "1"), "without --slow-callback-duration"),
        ((*ATTACH, "--header", "A: b"), "--attach must come without --header"),
        ((*ATTACH, "--warm-up", "2"), "--attach must come without --warm-up"),
        (("--compare", "/nowhere", "/nowhere"), "a report must be a file to read"),
        ((*COMPARE, "--json", "x"), "--compare must come without --json, which has no effect"),
        ((*COMPARE, "--html", "x"), "--compare must come without --html"),
        ((*COMPARE, "--sarif", "x"), "--compare must come without --sarif"),
        ((*COMPARE, "--github"), "--compare must come without --github"),
        ((*COMPARE, *GET), "--compare must come without a request"),
        ((*COMPARE, "--duration", "3"), "--compare must come without --duration"),
        ((*COMPARE, "--", "wrk"), "--compare must come without a load tool"),
    ],
)
def test_wrong_arguments(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("diagnose", *arguments)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("loopwatch: ")
    assert words in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("requests = 5", "requests: "),
        ("frob = 1\nrequests = []", "frob: Unexpected keyword"),
        ("[[requests]]\nmethod = 'GET'", "requests.0.path: Field required"),
        ("[[requests]]\npath = '/x'\nmethod = 'FROB'", "method must be one of GET HEAD"),
        ("[[requests]]\npath = '/x'\nbody = 'a'\njson = 1", "must have body or json"),
        ("rate = -1\n[[requests]]\npath = '/x'", "above 0, got '-1.0'"),
        ("duration = 0\n[[requests]]\npath = '/x'", "duration must be a number above 0, got 0"),
        ("[headers]\nX = \"a\\u0000\"\n[[requests]]\npath = '/x'", "a header must be NAME: VALUE"),
        ("not toml", "--plan must be TOML"),
        ("x = " + "[" * 100_000, "--plan must be TOML that is less deep"),
        ("[[requests]]\npath = '/x'\njson = 2026-01-01", "json of /x must be JSON"),
        ("[[requests]]\npath = '/x'\njson = nan", "json of /x must be JSON"),
    ],
)
def test_malformed_plan(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.toml").write_text(text)
    assert main(("diagnose", "shop:app", "--plan", str(tmp_path / "plan.toml"))) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "a report must be JSON"),
        ("[]", "must have schema 1, got None"),
        (json.dumps(plain(report()) | {"schema": 99}), "must have schema 1, got 99"),
        (json.dumps(plain(report()) | {"duration": None}), "duration: "),
        (json.dumps(plain(report()) | {"duration": "nan"}), "each number must be finite"),
        (json.dumps(plain(report()) | {"duration": float("nan")}), "must be finite, got NaN"),
        ("[" * 100_000, "at most 32 deep"),
    ],
)
def test_malformed_report(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(plain(report())))
    bad.write_text(text)
    for pair in ((good, bad), (bad, good)):
        assert main(("diagnose", "--compare", *map(str, pair))) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert words in line


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "it is no ordinary file"),
        (lambda path: os.mkfifo(path), "it is no ordinary file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is no ordinary file"),
        (huge, "it has more than"),
        (lambda path: path.write_bytes(b"\xff\x00"), "must be"),
    ],
)
def test_files_that_are_none_to_read(
    make: Callable[[Path], object],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad\x1b[2J"
    make(bad)
    for arguments in (("shop:app", "--plan", str(bad)), ("--compare", str(bad), str(bad))):
        assert main(("diagnose", *arguments)) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert words in line
        assert "bad\\x1b[2J" in line


@pytest.mark.slow
def test_url_that_is_no_live_page() -> None:
    with running("shop:app") as run:
        assert "must be a live page of loopwatch" in complaint("diagnose", "--attach", run.app)
