"""A stack that py-spy read: is it of a loop's thread, and which frames belong to the step?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from loopwatch.core.evidence import OutsideFrame

FRAMES = 128  # kept, innermost first
BASE = ("asyncio/base_events.py", "asyncio/events.py")  # below a step on asyncio
RUNNERS = (*BASE, "asyncio/runners.py", "uvloop/__init__.py")  # below any step
SELECTORS = ("selectors.py",)


class ThreadStack(NamedTuple):
    """One thread, as py-spy saw it."""

    thread: int  # native id; 0: not known
    name: str
    holds_gil: bool
    frames: tuple[OutsideFrame, ...]  # innermost first

    @property
    def is_asyncio(self) -> bool:
        """Whether asyncio's own loop runs in it."""
        return any(lies(f, BASE[:1]) and ends(f, "run_forever", "_run_once") for f in self.frames)

    @property
    def is_run(self) -> bool:
        """Whether some loop was started in it by `asyncio.run` or uvloop."""
        return any(lies(f, RUNNERS) for f in self.frames)

    @property
    def is_parked(self) -> bool:
        """Whether the loop is in its poll: asyncio's in its selector, another's in nothing."""
        if not self.frames:
            return False
        if self.is_asyncio:
            first, *more = self.frames
            return lies(first, BASE[:1]) or (
                lies(first, SELECTORS) and bool(more) and lies(more[0], BASE[:1])
            )
        return lies(self.frames[0], RUNNERS)

    def step(self, base: int = 0) -> tuple[OutsideFrame, ...]:
        """Return the frames of the step in progress, innermost first.

        Where no frame is the loop's, the outermost `base` frames are left out: they were there when
        the loop was idle.
        """
        for place, frame in enumerate(self.frames):
            if lies(frame, RUNNERS):
                return self.frames[:place]
        return self.frames[: max(0, len(self.frames) - base)]


def lies(frame: OutsideFrame, ends_of_paths: tuple[str, ...]) -> bool:
    path = "/" + frame.file.replace("\\", "/")
    return any(path.endswith("/" + end) for end in ends_of_paths)


def ends(frame: OutsideFrame, *names: str) -> bool:
    return frame.function.rpartition(".")[2] in names


def thread_stacks(dump: Sequence[Mapping[str, Any]]) -> Iterator[ThreadStack]:
    """Return the threads of a dump of py-spy that have frames; what is torn is left out."""
    for thread in dump:
        try:
            frames = tuple(
                OutsideFrame(str(f["name"]), str(f["filename"]), int(f["line"]))
                for f in thread["frames"][:FRAMES]
            )
            native = int(thread["os_thread_id"] or 0)
            name, holds = str(thread.get("thread_name") or ""), bool(thread["owns_gil"])
        except (LookupError, TypeError, ValueError):
            continue
        if frames:
            yield ThreadStack(native, name, holds, frames)
