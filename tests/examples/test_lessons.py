"""The ten lessons run by themselves, and print what they say, on both loops."""

import re
from pathlib import Path

import pytest

from .expected import EXAMPLES, check

LESSONS = sorted(EXAMPLES.glob("[0-9]*.py"))


def test_there_are_ten_and_each_says_what_it_shows() -> None:
    assert [int(lesson.name[:2]) for lesson in LESSONS] == [*range(1, 11)]
    for number, lesson in enumerate(LESSONS, start=1):
        begins = rf'"""Lesson {number}: .+\.\n\n    python examples/{lesson.name}\n\n'
        assert re.match(begins, lesson.read_text("utf-8")), lesson.name


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_prints_what_it_says(lesson: Path, loop: str) -> None:
    check(lesson, loop)
