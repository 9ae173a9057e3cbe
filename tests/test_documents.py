"""The Markdown of the checkout: links lead somewhere, examples work, the site builds.

An example that is Python is compiled; on a page of the documentation it also runs, after the ones
before it, with an app and a few functions that the page takes for granted. An example that is a
command is parsed by the command itself.
"""

import ast
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from loopwatch.tools.cli.arguments import parse
from loopwatch.tools.cli.command_error import CommandError

CHECKOUT = Path(__file__).parent.parent
DOCS = CHECKOUT / "docs"
FOLDERS = ("deploy", "docs", "examples", "loopwatch")
LINK = re.compile(r"\]\(([^()\s]+)\)")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", flags=re.DOTALL | re.MULTILINE)
LONGEST_README = 200  # lines
START = 30  # line of the README before which it says how to start
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
RUNNER = """
import ast, asyncio, inspect, json, sys
from fastapi import FastAPI
from loopwatch import Watch

async def classify(text):
    return text

async def main():
    await asyncio.sleep(0)

names = {"app": FastAPI(), "watch": Watch(), "Watch": Watch, "text": "a text"}
names |= {"page_someone": print, "classify": classify, "main": main, "__name__": "examples"}
for source in json.load(sys.stdin):
    code = compile(source, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    coroutine = eval(code, names)
    if coroutine is not None:
        asyncio.run(coroutine)
"""


def documents() -> list[Path]:
    found = [*CHECKOUT.glob("*.md")]
    for folder in FOLDERS:
        found += (CHECKOUT / folder).rglob("*.md")
    return found


def prose(path: Path) -> str:
    """Return the text without what is set as code."""
    text = BLOCK.sub("", path.read_text("utf-8"))
    return re.sub(r"`[^`\n]*\]\([^`\n]*`", "", text)


def blocks(path: Path, *languages: str) -> list[str]:
    """Return the examples in one of these languages, without the indentation of a list."""
    found = BLOCK.findall(path.read_text("utf-8"))
    return [
        re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        for indent, language, code in found
        if language in languages
    ]


def anchors(path: Path) -> set[str]:
    """Return the names by which GitHub links to headings."""
    heads = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).strip().lower() for head in heads]
    return {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in plain}


def commands(path: Path) -> list[list[str]]:
    """Return the words of every command in the examples, without comments; `\\` joins lines."""
    lines = "\n".join(blocks(path, "", "sh")).replace("\\\n", " ").splitlines()
    shown = [line for line in lines if re.match(r"(loopwatch|make) ", line.strip())]
    return [shlex.split(line, comments=True) for line in shown]


def site_pages() -> set[str]:
    """Return every page that the site is made of, by its address in mkdocs.yml."""
    hook = (DOCS / "site_hook.py").read_text("utf-8")
    outside = set(re.findall(r'^    "[\w/]+\.md": "([\w/]+\.md)"', hook, flags=re.MULTILINE))
    runbooks = (CHECKOUT / "loopwatch" / "tools" / "grafana" / "runbooks").glob("*.md")
    return (
        {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
        | {f"runbooks/{path.name}" for path in runbooks}
        | outside
    )


def nav_pages(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    assert not isinstance(inner, str | bytes)
    return [page for each in inner for page in nav_pages(each)]  # type: ignore[attr-defined]


def test_every_relative_link_leads_somewhere() -> None:
    checked, broken = 0, []
    for path in documents():
        for link in LINK.findall(prose(path)):
            if "://" in link or link.startswith("mailto:"):
                continue
            checked += 1
            file, _, anchor = unquote(link).partition("#")
            there = path.parent / file if file else path
            if not there.exists() or (anchor and anchor not in anchors(there)):
                broken.append(f"{path.relative_to(CHECKOUT)}: {link}")
    assert not broken
    assert checked > 150


def test_readme_is_short_and_says_first_how_to_start() -> None:
    lines = (CHECKOUT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= LONGEST_README
    first = "\n".join(lines[:START])
    for part in ("pip install loopwatch", "add_middleware", "What it costs", "![", ".svg"):
        assert part in first, part
    whole = "\n".join(lines)
    assert "make demo" in whole
    assert "make test" in whole


def test_readme_links_every_page() -> None:
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    pages = {path.name for path in DOCS.glob("*.md")}
    assert pages - set(re.findall(r"\(docs/([\w-]+\.md)", readme)) == set()


def test_every_python_example_compiles() -> None:
    for path in documents():
        for code in blocks(path, "python", "py"):
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
            compile(code, str(path), "exec", flags)


@pytest.mark.parametrize(
    "path",
    [p for p in [CHECKOUT / "README.md", *sorted(DOCS.glob("*.md"))] if blocks(p, "python")],
    ids=lambda path: path.stem,
)
def test_python_examples_run(path: Path) -> None:
    """All examples of a page, one after another in one process."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        cwd=CHECKOUT,
        input=json.dumps(blocks(path, "python")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_command_shown_is_one_that_loopwatch_takes() -> None:
    checked, wrong = 0, []
    for path in documents():
        for words in commands(path):
            if words[0] != "loopwatch":
                continue
            checked += 1
            try:
                parse(words[1:])
            except CommandError as error:
                wrong.append(f"{path.relative_to(CHECKOUT)}: {shlex.join(words)}: {error}")
    assert not wrong
    assert checked > 12


def test_every_make_target_shown_is_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (CHECKOUT / "Makefile").read_text("utf-8"), flags=re.M))
    for path in documents():
        for words in commands(path):
            if words[0] == "make":
                shown = {word for word in words[1:] if "=" not in word}
                assert shown <= targets, f"{path.relative_to(CHECKOUT)}: {shlex.join(words)}"


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("run", "run-and-top.md"),
        ("top", "run-and-top.md"),
        ("diagnose", "diagnosis.md"),
        ("grafana", "dashboards.md"),
    ],
)
def test_every_option_of_a_command_is_documented(
    command: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no page names one that is not there."""
    with pytest.raises(SystemExit):
        parse([command, "--help"])
    options = set(OPTION.findall(capsys.readouterr().out)) - {"--help"}
    documented = set(OPTION.findall((DOCS / page).read_text("utf-8")))
    assert options - documented == set()
    rows = [line for line in (DOCS / page).read_text("utf-8").splitlines() if line[:4] == "| `-"]
    named = {option for row in rows for option in OPTION.findall(row.split("|")[1])}
    assert named <= documented_options(page, capsys)


def documented_options(page: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the options of the commands that a page is about."""
    about = {"run-and-top.md": ("run", "top"), "diagnosis.md": ("diagnose",)}
    for command in about.get(page, ("grafana",)):
        with pytest.raises(SystemExit):
            parse([command, "--help"])
    return set(OPTION.findall(capsys.readouterr().out))


def test_every_page_is_in_the_navigation_once() -> None:
    nav = nav_pages(yaml.safe_load((CHECKOUT / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert sorted(nav) == sorted(site_pages())


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    missing = [
        name
        for name in ("mkdocs", "material", "mkdocstrings")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        assert not os.environ.get("CI"), f"CI must have {missing}: the extra docs"
        pytest.skip(f"{', '.join(missing)} not installed: pip install -e '.[docs]'")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = [*site.rglob("*.html")]
    assert len(pages) > len(site_pages())  # and 404.html
    for page in pages:
        html = page.read_text("utf-8")
        loads = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?([^\s\">]+)", html)
        loads += re.findall(r"<link\b[^>]*\bhref=\"?([^\s\">]+)", html)
        assert [url for url in loads if re.match(r"(https?:)?//", url)] == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", style.read_text("utf-8")), style
