"""The page "try it in 60 seconds": each of its sections does what it says, command by command."""

import importlib.util
import os
import re
import shutil
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ..conftest import CHECKOUT
from ..ports import HOST, free_port
from .recipe import (
    commands,
    files,
    headings,
    section,
    started,
    to_its_end,
    unseen,
    write,
)

SERVERS = ("A new app", "gunicorn", "Django")
OTHERS = ("A running process", "A test suite", "A worker, a bot, a script", "A container")
BESIDE = ("pip", "curl", "django-admin")  # commands that are no server
PACKAGES = {"gunicorn": "uvicorn_worker", "Django": "daphne"}


def prepared(heading: str, folder: Path) -> str:
    """Write the files of a section, run what prepares it, and return the section."""
    text = section(heading)
    for words in commands(text):
        if words[0] == "django-admin":
            done = to_its_end(words, folder)
            assert done.returncode == 0, done.stdout
    write(folder, section(""))
    write(folder, text)
    return text


def test_every_section_is_tested_here() -> None:
    assert sorted(headings()) == sorted(SERVERS + OTHERS)


def test_what_is_installed_is_an_extra_that_exists() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as project:
        extras = tomllib.load(project)["project"]["optional-dependencies"]
    named = [
        extra
        for heading in headings()
        for words in commands(section(heading))
        for found in re.findall(r"loopwatch\[([\w,]+)\]", " ".join(words))
        for extra in found.split(",")
    ]
    assert named
    assert set(named) <= set(extras)


@pytest.mark.slow
@pytest.mark.parametrize("heading", SERVERS)
def test_a_server_tells_of_the_line(heading: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(PACKAGES.get(heading, "uvicorn")) is None:
        assert not os.environ.get("CI")
        pytest.skip(f"{PACKAGES[heading]} is not installed")
    text = prepared(heading, tmp_path)
    (server,) = (words for words in commands(text) if words[0] not in BESIDE)
    (curl,) = (words for words in commands(text) if words[0] == "curl")

    with started(server, tmp_path, free_port()) as running:

        def seen() -> bool:
            running.ask(curl[1])
            return not unseen(text, running.output())

        running.wait_for(seen)


@pytest.mark.slow
def test_a_running_process_is_looked_at(tmp_path: Path) -> None:
    if shutil.which("py-spy", path=str(Path(sys.executable).parent)) is None:
        assert not os.environ.get("CI")
        pytest.skip("py-spy is not installed")
    text = prepared("A running process", tmp_path)
    _, server, _, attach = commands(text)
    with started(server, tmp_path, free_port()) as running:
        running.ask("http://127.0.0.1:8000/report")
        here = {"4711": str(running.pid), "10": "5"}
        words = [here.get(word, word) for word in attach]
        beside = tmp_path / "beside"
        beside.mkdir()
        with started(words, beside, running.port) as attached:

            def seen() -> bool:
                running.ask("http://127.0.0.1:8000/report")
                return not unseen(text, attached.output())

            attached.wait_for(seen)


@pytest.mark.slow
def test_a_test_that_blocks_fails(tmp_path: Path) -> None:
    text = prepared("A test suite", tmp_path)
    done = to_its_end(commands(text)[-1], tmp_path)
    assert done.returncode == 1, done.stdout
    assert unseen(text, done.stdout) == [], done.stdout


@pytest.mark.slow
def test_a_worker_has_a_summary(tmp_path: Path) -> None:
    text = prepared("A worker, a bot, a script", tmp_path)
    done = to_its_end(commands(text)[-1], tmp_path)
    assert done.returncode == 0, done.stdout
    assert unseen(text, done.stdout) == [], done.stdout


def container() -> tuple[dict[str, str], list[str], dict[str, Any]]:
    """Return the environment and the command of the image, and the container of the pod."""
    written = files(section("A container"))
    lines = written["Dockerfile"].splitlines()
    variables = [line.removeprefix("ENV ").split("=") for line in lines if line.startswith("ENV ")]
    (command,) = (yaml.safe_load(line[4:]) for line in lines if line.startswith("CMD "))
    deployment = yaml.safe_load(written["shop.yaml"])
    (pod,) = deployment["spec"]["template"]["spec"]["containers"]
    more = {each["name"]: each["value"] for each in pod["env"]}
    return dict(variables) | more, command, pod


def test_the_manifest_fits_the_image() -> None:
    environment, command, pod = container()
    ports = {port["name"]: port["containerPort"] for port in pod["ports"]}
    assert ports == {"http": 8000, "loopwatch": 9464}
    assert environment["LOOPWATCH_ADMIN_HOST"] == "0.0.0.0"
    assert pod["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "loopwatch"}
    assert pod["securityContext"]["capabilities"]["add"] == ["SYS_PTRACE"]
    assert command[:3] == ["loopwatch", "run", "main:app"]


@pytest.mark.slow
def test_the_command_of_the_image_answers_the_probe_and_a_held_loop_fails_it(
    tmp_path: Path,
) -> None:
    """On loopback; with a limit so short that one request is held for longer."""
    prepared("A container", tmp_path)
    environment, command, pod = container()
    door = free_port()
    given = environment | {
        "LOOPWATCH_ADMIN_HOST": HOST,
        "LOOPWATCH_ADMIN_PORT": str(door),
        "LOOPWATCH_LIVE_AFTER": "0.2",
    }
    words = [HOST if word == "0.0.0.0" else word for word in command]
    probe = f"http://{HOST}:{door}{pod['livenessProbe']['httpGet']['path']}"
    with started(words, tmp_path, free_port(), **given) as running:
        running.ask("http://127.0.0.1:8000/report")
        running.ask(probe)
        with ThreadPoolExecutor(1) as visitor:

            def held() -> bool:
                visit = visitor.submit(running.ask, "http://127.0.0.1:8000/report")
                seen = set[int]()
                while not visit.done():
                    seen.add(httpx.get(probe, trust_env=False, timeout=20).status_code)
                visit.result()
                return 503 in seen

            running.wait_for(held)
        running.ask(probe)
