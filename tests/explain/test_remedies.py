"""The tables of remedies: in order, whole, and nothing but plain text."""

from pathlib import Path
from types import ModuleType

import pytest

from loopwatch.core.causes import Cause
from loopwatch.explain import setup_remedies, waiting_remedies, working_remedies
from loopwatch.explain.circumstance import BY_CAUSE
from loopwatch.explain.remedies import REMEDIES


def test_the_table_is_in_order() -> None:
    """Sentences, real causes, and nothing that an earlier row hides."""
    seen: set[tuple[str, str]] = set()
    for remedy in REMEDIES:
        assert remedy.advice.endswith(".")
        assert set(remedy.causes) <= {
            "blocking_call",
            "cpu",
            "native_gil",
            "unknown",
            "gc",
            "import",
        }
        for call in remedy.calls:
            rows = {(call, cause) for cause in remedy.causes or ("any",)}
            assert remedy.imports or not rows <= seen, call
            seen |= rows
    assert set(Cause.__args__) <= {*BY_CAUSE}  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", [setup_remedies, waiting_remedies, working_remedies])
def test_the_tables_are_nothing_but_plain_text(table: ModuleType) -> None:
    assert "def " not in Path(table.__file__ or "").read_text("utf-8")
