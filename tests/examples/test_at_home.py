"""Workers, bots, terminals, notebooks, threads: each example names its user's function and line."""

from pathlib import Path

import pytest

from .expected import EXAMPLES, check, expected

AT_HOME = sorted((EXAMPLES / "at_home").glob("*.py"))
ON_ASYNCIO_ALONE = {
    "jupyter_kernel": "the kernel makes its loop itself",
    "textual_app": "Textual sets an eager task factory, which uvloop cannot call on Python 3.13.0",
}


def test_what_blocks_is_marked_and_is_the_line_that_is_expected() -> None:
    for example in AT_HOME:
        lines = example.read_text("utf-8").splitlines()
        marked = [line.partition("  # blocks")[0].strip() for line in lines if "# blocks" in line]
        told = [line for line in expected(example) if ", line " in line]
        assert [line.rpartition(": ")[2] for line in told] == marked, example.name
    assert len(AT_HOME) > 12


@pytest.mark.slow
@pytest.mark.parametrize("example", AT_HOME, ids=lambda example: example.stem)
def test_an_example_names_its_own_function_and_line(example: Path, loop: str) -> None:
    if loop == "uvloop" and example.stem in ON_ASYNCIO_ALONE:
        pytest.skip(ON_ASYNCIO_ALONE[example.stem])
    check(example, loop)
