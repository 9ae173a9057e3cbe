"""A line of source is told without its comment, and nothing else of it is lost."""

import pytest

from loopwatch.core.source_statement import statement


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("    time.sleep(0.5)  # blocks\n", "time.sleep(0.5)"),
        ("x = 3**n # big", "x = 3**n"),
        ("rows = query(  # slow", "rows = query("),
        ("    timeout=5,  # s", "timeout=5,"),
        ("return f(1))  # closes what began above", "return f(1))"),
        ("redis.get('#1')", "redis.get('#1')"),
        ("redis.get('#1')  # the first", "redis.get('#1')"),
        ('redis.get(f"#{number}")', 'redis.get(f"#{number}")'),
        ("it's # 1 of a longer text", "it's # 1 of a longer text"),
        ("text = '''# no comment", "text = '''# no comment"),
        ("# only a comment", "# only a comment"),
        ("time.sleep(1)", "time.sleep(1)"),
        ("", ""),
        ("f(  # one\n  1,  # two\n  '#3')", "f(\n  1,\n  '#3')"),
        ('query("""\n  # not a comment\n""")', 'query("""\n  # not a comment\n""")'),
    ],
)
def test_a_line_without_its_comment(line: str, told: str) -> None:
    assert statement(line) == told
