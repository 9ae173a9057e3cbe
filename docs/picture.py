"""Draws what a terminal of 100 columns showed of the demo, as docs/demo.svg:

    script -qc "stty cols 100; make demo ARGS='--seconds 20'" /dev/null | python docs/picture.py

Progress is left out, and so are the warnings after the first few, with their number; nothing else
is changed.
"""

import sys
from html import escape
from pathlib import Path

COMMAND = 'make demo ARGS="--seconds 20"'
COLUMNS, WARNINGS = 100, 3
CLEAR = "\r\x1b[K"
WIDTH, HEIGHT, MARGIN = 7.8, 18, 16  # of a character, of a line, around the text, px
COLOURS = {"WARNING": "#e5c07b", "INFO": "#7f848e", "$": "#98c379"}
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">
<title>{title}</title>
<rect width="100%" height="100%" rx="8" fill="#1e2127"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="13">
"""


def shortened(lines: list[str]) -> list[str]:
    """Return the lines with the first few warnings only."""
    warnings = [line for line in lines if line.startswith("WARNING")]
    if len(warnings) <= WARNINGS:
        return lines
    rest = set(warnings[WARNINGS:])
    at = lines.index(warnings[WARNINGS])
    kept = [line for line in lines[at:] if line not in rest]
    return [*lines[:at], f"... {len(warnings) - WARNINGS} more warnings ...", *kept]


def folded(line: str) -> list[str]:
    return [line[i : i + COLUMNS] for i in range(0, len(line), COLUMNS)] or [""]


def drawn(line: str, colour: str, row: int) -> str:
    if not line.strip():
        return ""
    y = MARGIN + HEIGHT * (row + 1) - 5
    length = f'textLength="{len(line) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
    place = f'x="{MARGIN}" y="{y}" fill="{colour}"'
    text = escape(line).replace("  ", "\u00a0 ")
    return f'<text {place} {length} xml:space="preserve">{text}</text>\n'


def picture(lines: list[str]) -> str:
    rows = [
        (part, COLOURS.get(line.split(" ")[0], "#dcdfe4"))
        for line in lines
        for part in folded(line)
    ]
    width = COLUMNS * WIDTH + 2 * MARGIN
    head = HEAD.format(width=width, height=len(rows) * HEIGHT + 2 * MARGIN, title=escape(COMMAND))
    body = "".join(drawn(text, colour, row) for row, (text, colour) in enumerate(rows))
    return f"{head}{body}</g>\n</svg>\n"


if __name__ == "__main__":
    lines = [line.rpartition(CLEAR)[2].rstrip() for line in sys.stdin.read().split("\n")]
    text = "\n".join(lines).strip().split("\n")
    target = Path(__file__).with_name("demo.svg")
    target.write_text(picture([f"$ {COMMAND}", *shortened(text)]), encoding="utf-8")
