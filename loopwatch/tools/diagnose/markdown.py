"""A comparison as a few lines of Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from loopwatch.core.safe_text import safe
from loopwatch.tools.diagnose.changes import Row
from loopwatch.tools.diagnose.compare import Comparison, CulpritChange
from loopwatch.tools.diagnose.wording import ms, percent, place

SIGNS = {"better": "✅ better", "worse": "❌ worse", "new": "❌ new", "gone": "✅ gone", "same": ""}


def markdown(compared: Comparison) -> str:
    """Return the summary, with names from the app escaped."""
    return "\n".join(lines(compared)) + "\n"


def lines(compared: Comparison) -> Iterator[str]:
    yield "### loopwatch diagnose"
    yield ""
    yield f"Before: {quoted(compared.before.verdict.text)}  "
    yield f"After: {quoted(compared.after.verdict.text)}"
    yield from table(("", "before", "after", ""), map(number_cells, compared.rows))
    yield from table(("latency", "before", "after", ""), map(number_cells, compared.routes))
    yield from table(
        ("culprit", "route", "lost before", "lost after", ""), map(culprit_cells, compared.culprits)
    )
    for head, rows in (("waiting at a time", compared.waits), ("loop time", compared.loop_lines)):
        yield from table((head, "before", "after", ""), map(number_cells, rows))
    if compared.notes:
        yield ""
        yield from (f"> {escaped(note)}" for note in compared.notes)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    found = [*rows]
    if not found:
        return
    yield ""
    yield f"| {' | '.join(head)} |"
    yield "|---|" + "---:|" * (len(head) - 2) + "---|"
    yield from (f"| {' | '.join(map(escaped, row))} |" for row in found)


def number_cells(row: Row) -> tuple[str, ...]:
    return (row.name, number(row.before, row.unit), number(row.after, row.unit), SIGNS[row.change])


def culprit_cells(change: CulpritChange) -> tuple[str, ...]:
    latest = change.latest
    return (
        f"{place(latest)} {latest.site.code}".strip(),
        latest.route or "",
        f"{change.before.lost:.1f} s" if change.before is not None else "",
        f"{change.after.lost:.1f} s" if change.after is not None else "",
        SIGNS[change.change],
    )


def number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"  # noqa: RUF001
    if unit == "s":
        return ms(value)
    return percent(value) if unit == "share" else f"{value:.2f}"


def quoted(text: str) -> str:
    """Return a sentence in which what stands between backticks is code, and all else only text."""
    pieces = [*enumerate(" ".join(text.split()).split("`"))]
    parts = (
        f"`{safe(piece)}`" if n % 2 and piece and n + 1 < len(pieces) else marked(piece)
        for n, piece in pieces
    )
    return "".join(parts)


def escaped(text: str) -> str:
    """Return text escaped for a table's cell."""
    return " ".join(marked(text).split())


def marked(text: str) -> str:
    text = safe(text)
    for mark in ("\\", "|", "`", "<", "*", "_", "[", "]", "@"):
        text = text.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return text
