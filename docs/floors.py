"""Draws the rooms of loopwatch by floor, and which room imports which, as docs/floors.svg:

    python -m docs.floors

The rooms, the floors and the imports are those that tests/test_architecture.py checks. An import
that follows from two others is not drawn: `web` imports `core` anyway, by way of `watch`.
"""

from collections import defaultdict
from pathlib import Path

from tests.rooms import FLOORS, PACKAGE, inner_imports, room

TARGET = Path(__file__).with_name("floors.svg")
WIDTH, STEP = 1040, 96  # px: of the picture, and from one floor to the next
BOX, TALL = 170, 46  # px: a box
COLUMNS = {  # the rooms by the middle of their boxes, px
    125: ("loop", "watchdog", "waits", "frameworks"),
    250: ("records",),
    312: ("tools.attach", "tools.testing"),
    375: ("ledger",),
    500: ("_speedups", "core", "routing", "watch", "web", "web.page", "__init__"),
    625: ("explain", "startup", "tools.findings"),
    750: ("replay", "tools.diagnose", "tools.cli", "__main__"),
    875: ("exporters",),
    935: ("tools.grafana",),
}
MIDDLE = {name: middle for middle, names in COLUMNS.items() for name in names}
COLOURS = (
    *("#d9dee8", "#dbe9f6", "#dff1f1", "#d8efe2", "#fbe8d3"),
    *("#f3dcec", "#e6e0f5", "#f5f0d0", "#e8e8e8"),
)
HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {{height}}" role="img">
<title>The rooms of loopwatch by floor; an arrow leads from a room to one that it imports</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
 orient="auto"><path d="M0 0L8 4L0 8z" fill="#5b6472"/></marker></defs>
<rect width="100%" height="100%" rx="8" fill="#ffffff"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="15">
"""


def imports() -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, _, target in inner_imports(PACKAGE):
        here, there = room(name, PACKAGE), room(target, PACKAGE)
        if here != there:
            found[here].add(there)
    return found


def reach(start: str, graph: dict[str, set[str]]) -> set[str]:
    """Return all rooms that a room imports, directly or by way of others."""
    direct = graph.get(start, set())
    return direct.union(*(reach(target, graph) for target in direct))


def drawn(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports that do not follow from others."""
    return [
        (here, there)
        for here in sorted(graph)
        for there in sorted(graph[here])
        if not any(there in reach(other, graph) for other in graph[here] - {there})
    ]


def label(name: str) -> str:
    if name == "_speedups":
        return "native (C)"
    return f"{name}.py" if name in FLOORS[-1] else f"{name.replace('.', '/')}/"


def arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return a line that goes straight down, and aside only above the floor where it ends."""
    (x, y), (to, low) = start, end
    down, turn = low - (STEP - TALL), low - (STEP - TALL) // 2
    path = f"M{x} {y}V{down}C{x} {turn} {to} {turn} {to} {low}"
    return f'<path d="{path}" fill="none" stroke="#5b6472" marker-end="url(#tip)"/>\n'


def box(name: str, top: int, colour: str) -> str:
    x = MIDDLE[name] - BOX // 2
    return (
        f'<rect x="{x}" y="{top}" width="{BOX}" height="{TALL}" rx="6" fill="{colour}" '
        f'stroke="#5b6472"/>\n'
        f'<text x="{MIDDLE[name]}" y="{top + 28}" text-anchor="middle" fill="#1e2127">'
        f"{label(name)}</text>\n"
    )


def picture() -> str:
    """Return the SVG, the highest floor first."""
    tops = {name: 20 + STEP * row for row, rooms in enumerate(reversed(FLOORS)) for name in rooms}
    lines = [
        arrow((MIDDLE[here], tops[here] + TALL), (MIDDLE[there], tops[there]))
        for here, there in drawn(imports())
    ]
    boxes = [
        box(name, tops[name], COLOURS[floor % len(COLOURS)])
        for floor, rooms in enumerate(FLOORS)
        for name in rooms
    ]
    height = 40 + STEP * (len(FLOORS) - 1) + TALL
    return f"{HEAD.format(height=height)}{''.join(lines)}{''.join(boxes)}</g>\n</svg>\n"


if __name__ == "__main__":
    TARGET.write_text(picture(), encoding="utf-8")
