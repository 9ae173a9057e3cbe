"""The flame graph of held time: the width of a stack is the time it held the loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from loopwatch.tools.diagnose.report_records import FoldedStack

SHARED = 5  # kept of the frames that all stacks begin with
DEEPEST = 80  # rows
NARROWEST = 0.2  # percent: no narrower bar is drawn
SITE, OTHER = "site", "frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One frame of one or more stacks with the same beginning. Places are percent of the width."""

    left: float
    width: float
    row: int  # 0: outermost
    frame: str  # `module.qualname:line`
    seconds: float
    kind: str  # site, frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Flames:
    bars: tuple[Bar, ...]
    rows: int
    seconds: float  # of all stacks
    hidden: tuple[str, ...]  # frames that all stacks begin with; left out


@dataclass(slots=True)
class Node:
    frame: str
    kind: str = OTHER
    seconds: float = 0.0
    inner: dict[str, Node] = field(default_factory=dict)


def flames(stacks: Sequence[FoldedStack]) -> Flames:
    """Return a flame graph; without stacks it has no bars."""
    hidden = stacks[0].frames[: max(0, shared(stacks) - SHARED)] if stacks else ()
    root = tree(stacks, len(hidden))
    bars = tuple(laid_out(root))
    rows = max((bar.row + 1 for bar in bars), default=0)
    return Flames(bars=bars, rows=rows, seconds=root.seconds, hidden=hidden)


def shared(stacks: Sequence[FoldedStack]) -> int:
    """Return how many frames all stacks begin with; the innermost of a stack does not count."""
    first = stacks[0].frames
    shortest = min(len(stack.frames) for stack in stacks) - 1
    for place in range(shortest):
        if any(stack.frames[place] != first[place] for stack in stacks):
            return place
    return max(0, shortest)


def tree(stacks: Sequence[FoldedStack], left_out: int) -> Node:
    root = Node("")
    for stack in stacks:
        node = root
        node.seconds += stack.seconds
        for frame in stack.frames[left_out : left_out + DEEPEST]:
            node = node.inner.setdefault(frame, Node(frame))
            node.seconds += stack.seconds
            if stack.site in (frame, frame.rpartition(":")[0]):
                node.kind = SITE
    return root


def laid_out(root: Node) -> Iterator[Bar]:
    """Return the bars below a node; siblings are sorted by width, widest first."""
    todo = [(root, 0.0, 0)]
    while todo:
        node, left, row = todo.pop()
        for inner in sorted(node.inner.values(), key=lambda n: -n.seconds):
            width = 100 * inner.seconds / root.seconds if root.seconds else 0.0
            if width < NARROWEST:
                break
            yield Bar(
                left=left,
                width=width,
                row=row,
                frame=inner.frame,
                seconds=inner.seconds,
                kind=inner.kind,
            )
            todo.append((inner, left, row + 1))
            left += width
