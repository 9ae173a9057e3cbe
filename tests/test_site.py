"""The documentation: its examples work, its pages are all there, and the site builds.

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

import promql_parser
import pytest
import yaml

from loopwatch.exporters.metrics import METRICS
from loopwatch.tools.cli.arguments import parse
from loopwatch.tools.cli.command_error import CommandError
from tests.conftest import CHECKOUT
from tests.written import documents

DOCS = CHECKOUT / "docs"
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", flags=re.DOTALL | re.MULTILINE)
LONGEST_README = 200  # lines
START = 29  # lines of the README that say what it is, what it costs and how to start
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
ABOUT = {  # commands by the page that documents their options
    "run-and-top.md": ("run", "top"),
    "flight-recorder.md": ("trace",),
    "diagnosis.md": ("diagnose",),
    "dashboards.md": ("grafana",),
}
RUNNER = """
import ast, asyncio, json, sys
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


def blocks(path: Path, *languages: str) -> list[str]:
    """Return the examples in one of these languages, without the indentation of a list."""
    found = BLOCK.findall(path.read_text("utf-8"))
    return [
        re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        for indent, language, code in found
        if language in languages
    ]


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


def test_every_query_is_promql_about_metrics_that_exist() -> None:
    known = {
        metric.prometheus_name + suffix
        for metric in METRICS
        for suffix in (("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",))
    }
    queries = [query for path in DOCS.glob("*.md") for query in blocks(path, "promql")]
    for query in queries:
        promql_parser.parse(query)
        assert set(re.findall(r"\bloopwatch_\w+", query)) <= known, query
    assert len(queries) > 5


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


@pytest.mark.parametrize("page", ABOUT)
def test_every_option_of_a_command_is_documented(
    page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no table of options has one that is not there."""
    told = ""
    for command in ABOUT[page]:
        with pytest.raises(SystemExit):
            parse([command, "--help"])
        told += capsys.readouterr().out.partition("\nuvicorn's options")[0]  # those are uvicorn's
    options = set(OPTION.findall(told)) - {"--help"}
    lines = (DOCS / page).read_text("utf-8").splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("| `")]
    assert set(OPTION.findall("\n".join(rows))) == options


def test_every_page_is_in_the_navigation_once() -> None:
    nav = nav_pages(yaml.safe_load((CHECKOUT / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert sorted(nav) == sorted(site_pages())


@pytest.mark.slow
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
