"""The table of lessons and of examples at home lists each file, in order of the numbers."""

import re

from .expected import EXAMPLES


def test_the_tables_list_every_file_and_say_what_it_says() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    told = re.findall(r"^\| \[([\w.]+)\]\(([\w./]+)\) \|", text, flags=re.MULTILINE)
    paths = [*EXAMPLES.glob("*.py"), *(EXAMPLES / "at_home").glob("*.py")]
    assert sorted(link for _, link in told) == sorted(
        path.relative_to(EXAMPLES).as_posix() for path in paths
    )
    assert all(link.endswith(name) for name, link in told)
    lessons = [name for name, _ in told if name[0].isdigit()]
    assert lessons == sorted(lessons)
