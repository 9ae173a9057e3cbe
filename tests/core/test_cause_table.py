"""The causes: one table, which everybody is served from, and nobody spells again."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from docs import causes as documents
from loopwatch.core.causes import CAUSES, HELD, ROWS, Cause, CauseRow, label
from loopwatch.explain.cause import RULES
from tests.conftest import run_script

PACKAGE = Path(documents.__file__).resolve().parent.parent / "loopwatch"
TABLE = PACKAGE / "core" / "causes.py"
GAPS = {"holder", "module", "call", "contributors"}  # that an advice may have
FACTS = {  # that a sentence may tell
    *("who", "whose", "duration", "place", "where", "threads", "contributors"),
    *("cpu", "without_cpu", "call"),
}


def gaps(template: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", template))


def texts(row: CauseRow) -> Iterator[str]:
    """Return all that is said of a cause in more words than its label."""
    own = (row.sentence,) if row.sentence != HELD else ()
    for text in (row.meaning, row.evidence, row.remedy, row.advice, *row.advice_if.values(), *own):
        yield from (part for part in re.split(r"\{[^}]*\}", text) if len(part.split()) > 2)


def strings(path: Path) -> Iterator[str]:
    """Return what a file says: Python's strings but for docstrings, else all of its text."""
    if path.suffix != ".py":
        yield path.read_text("utf-8")
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def others() -> list[Path]:
    kinds = (".py", ".js", ".html", ".j2")
    return [p for p in PACKAGE.rglob("*") if p.suffix in kinds and p != TABLE]


def spelled_again(label: str, text: str) -> bool:
    """Return whether a text is a label, or has one in quotes."""
    quoted = rf"""(["'`]){re.escape(label)}\1"""
    return text.lower() == label.lower() or re.search(quoted, text, re.IGNORECASE) is not None


def test_each_name_has_one_row_and_at_least_one_rule() -> None:
    assert get_args(Cause) == tuple(CAUSES) == tuple(row.name for row in ROWS)
    assert {rule.cause for rule in RULES} == set(CAUSES)
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_whole(row: CauseRow) -> None:
    assert row.label
    assert row.meaning
    assert row.evidence
    assert not row.meaning.endswith(".")
    assert bool(row.remedy) == (row.name != "unknown")
    assert set(row.call) <= {"waits", "works"}
    for advice in (row.advice, *row.advice_if.values()):
        assert advice.endswith(".")
        assert gaps(advice) <= GAPS
    assert gaps(row.sentence) | gaps(row.sentence_else) <= FACTS
    assert "duration" in gaps(row.sentence)
    assert row.sentence_if in ("", "threads", "no_line")
    assert not row.runbook or (PACKAGE.parent / documents.RUNBOOKS / f"{row.runbook}.md").exists()


def test_no_label_stands_for_two() -> None:
    assert len({row.label for row in ROWS}) == len(ROWS)
    assert label("starved") == "no CPU for the process"
    assert label("of a later version") == "of a later version"


def test_nobody_spells_a_label_or_a_meaning_again() -> None:
    found = []
    for path in others():
        for text in strings(path):
            for row in ROWS:
                own = row.label != row.name and spelled_again(row.label, text)
                if own or any(part.strip() in text for part in texts(row)):
                    found.append(f"{path.relative_to(PACKAGE)}: {row.name}")
    assert found == []


def test_a_label_that_is_spelled_again_is_found() -> None:
    assert spelled_again("CPU work", "CPU work")
    assert spelled_again("CPU work", 'cpu: "CPU work", ')
    assert not spelled_again("CPU work", "the CPU works")
    assert {row.name for row in ROWS if [*texts(row)]} == {*CAUSES}


@pytest.mark.parametrize("file", documents.files())
def test_the_documents_have_the_table_of_the_code(file: str) -> None:
    text = (documents.CHECKOUT / file).read_text("utf-8")
    assert documents.written(file) == text, "run `python -m docs.causes`, and commit"


def test_one_more_row_is_told_by_everybody() -> None:
    """A row is all that a new cause needs but for its rule, here without one."""
    printed = run_script("""
        from importlib import reload

        from loopwatch.core import causes
        from loopwatch.explain import advice, circumstance
        from loopwatch.web.page import html_page

        row = causes.CAUSES["unknown"]._replace(
            name="swapped",
            label="pages swapped in",
            meaning="waited for its memory",
            remedy="add memory",
            advice="Add memory.",
            sentence="the loop waited {duration:.3f} s for its memory",
        )
        causes.ROWS += (row,)
        causes.CAUSES["swapped"] = row
        reload(circumstance), reload(advice), reload(html_page)

        from docs.causes import meanings, remedies
        from loopwatch.core.record_types import Stall
        from loopwatch.exporters.log import statement
        from loopwatch.tools.diagnose.html import document
        from tests.tools.diagnose.report_parts import culprit
        from tests.tools.diagnose.reports import report

        stall = Stall(started_at=0.0, duration=1.0, cause="swapped")
        print(statement(stall))
        print(advice.Adviser().advise(stall))
        print('"swapped": "pages swapped in"' in html_page.HTML)
        print("pages swapped in" in document(report(culprits=(culprit(cause="swapped"),))))
        print([*meanings()][-1])
        print([*remedies("")][-1])
    """).splitlines()
    assert printed == [
        "the loop waited 1.000 s for its memory [swapped]",
        "Add memory.",
        "True",
        "True",
        "| `swapped` | waited for its memory | too little evidence, or nothing took half |",
        "| `swapped` | add memory |",
    ]
