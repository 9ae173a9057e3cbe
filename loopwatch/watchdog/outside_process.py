"""The outside process: it reads its parent's Python stacks once the keep-alive stops.

Rule: it reads and never changes the parent. The parent is neither stopped nor traced (`py-spy dump
--nonblocking` only copies memory), so the worst result is a missing sample. This file runs by its
path with the standard library alone. The process ignores Ctrl-C and SIGTERM, and ends when its
parent has ended.

Theory: the watchdog needs the GIL, so C code that keeps the GIL also keeps the watchdog from
coming back. Each time the watchdog goes to sleep, it writes into a shared page when it is `DUE`,
and sets a timer to `PATIENCE` later. If the timer expires, the keep-alive has stopped. Then py-spy
runs for about 10 ms while the C call goes on. Its result counts only if the keep-alive has not
moved by then: otherwise the stacks may be from after the call, or torn.

Sources: process_vm_readv(2), which py-spy reads with; PR_SET_PTRACER(2const) for the permission.
Tried and dropped: PR_SET_PDEATHSIG (fires when the *thread* that started us ends); looking at the
page at each due time (0.2 % of a core to find that all is well).
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import select
import signal
import sys
import time

SLOTS = 512  # of the shared page, a C double each
LENGTH = SLOTS * 8  # bytes
DUE = 0  # slot: when the watchdog is due back (clock, s); the others: native thread ids or 0
FIRST_THREAD = 1

PATIENCE = 0.010  # s: the interpreter itself takes 5 ms to hand over the GIL
DUMPS = 4  # per stop: at PATIENCE, and GROWTH, GROWTH ** 2, ... times as late
GROWTH = 4
NAP = 0.5  # s between two checks that the parent lives
SHARE = 0.05  # of a core that py-spy may use on average: a busy machine stops the keep-alive often
SAVED = 1.0  # CPU s that can be saved up for it; the last half is for first dumps only
DEADLINE = 2.0  # s after which a dump is given up
LARGEST = 1 << 23  # bytes of a dump
DEPTH = 128  # frames kept, innermost first
TRIALS = 5  # dumps in which the first one must succeed
QUIET = {"RUST_BACKTRACE": "0"}  # all of py-spy's environment

clock = time.perf_counter  # CLOCK_MONOTONIC on Linux: the same in every process


class Outsider:
    """Watches the keep-alive of a process, and answers on the socket `channel`."""

    def __init__(
        self, parent: int, page: memoryview[float], timer: int, channel: int, py_spy: str
    ) -> None:
        self.parent = parent
        self.page = page
        self.timer = timer
        self.channel = channel
        self.spy = Spy([py_spy, "dump", "--nonblocking", "--json", "--pid", str(parent)])
        self.poll = select.poll()
        self.poll.register(channel, select.POLLIN)
        self.poll.register(timer, select.POLLIN)

    def run(self) -> None:
        """Work until the parent closes the channel or has ended."""
        if self.told_to_begin() and self.try_out():
            self.watch()

    def told_to_begin(self) -> bool:
        """Wait until the parent has permitted us to read it; False if it has ended."""
        while self.rest(math.inf):
            pass
        try:
            return os.read(self.channel, 16) != b""
        except BlockingIOError:  # the parent has ended
            return False

    def try_out(self) -> bool:
        """Return whether this parent can be read at all, and send the answer."""
        for trial in range(TRIALS):
            if not self.rest(clock() + PATIENCE * trial):
                return False
            if any(thread.get("os_thread_id") for thread in self.spy.dump(DEADLINE)):
                return self.tell({"ready": True})
        self.tell({"problem": self.spy.complaint() or "it found no thread that it can tell"})
        return False

    def watch(self) -> None:
        due, dumps, at = math.inf, 0, math.inf
        while self.rest(at if 0 < dumps < DUMPS else math.inf):
            if self.page[DUE] != due:
                due, dumps = self.page[DUE], 0
                at = due + PATIENCE
            if clock() >= at and dumps < DUMPS:
                dumps += 1
                if self.look(due, first=dumps == 1):
                    at = due + PATIENCE * GROWTH**dumps

    def look(self, due: float, first: bool) -> bool:
        """Read the stacks while the keep-alive has stopped; False if another try is worthwhile."""
        began = clock()
        threads = self.spy.afford(0.0 if first else SAVED / 2)
        if threads is None:
            return self.tell({"lost": "spared"})
        samples = [sample(thread) for thread in threads if self.wanted(thread)]
        if self.page[DUE] != due:
            return self.tell({"lost": "moved"})
        if not samples:
            self.tell({"lost": "torn"})
            return False
        return self.tell({"began": began, "ended": clock(), "samples": samples})

    def wanted(self, thread: dict[str, object]) -> bool:
        """Return whether to send a thread: one that is watched, or that has the GIL."""
        if not thread["frames"] or not thread["os_thread_id"]:
            return False
        return bool(thread["owns_gil"]) or thread["os_thread_id"] in self.page[FIRST_THREAD:]

    def rest(self, until: float) -> bool:
        """Sleep until `until` (clock, s) or the timer; False once the parent sends or has ended."""
        pause = min(max(until - clock(), 0.0), NAP)
        events = dict(self.poll.poll(math.ceil(pause * 1000)))
        if self.timer in events:
            with contextlib.suppress(BlockingIOError):  # postponed meanwhile
                os.read(self.timer, 8)
        return self.channel not in events and os.getppid() == self.parent

    def tell(self, message: dict[str, object]) -> bool:
        """Send one message if the parent can take it; return True."""
        with contextlib.suppress(OSError):  # full, or closed: `rest` notices
            os.write(self.channel, json.dumps(message).encode("ascii"))
        return True


class Spy:
    """Runs py-spy, within an allowance of CPU time."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.errors = os.memfd_create("py-spy")
        self.saved, self.saved_at = SAVED, clock()

    def afford(self, reserve: float) -> list[dict[str, object]] | None:
        """Return `dump()`; None if py-spy has no more than `reserve` CPU s left of its share."""
        now = clock()
        self.saved = min(SAVED, self.saved + (now - self.saved_at) * SHARE)
        self.saved_at = now
        return self.dump(DEADLINE) if self.saved > reserve else None

    def dump(self, patience: float) -> list[dict[str, object]]:
        """Return py-spy's threads; an empty list if it failed or took over `patience` s."""
        os.ftruncate(self.errors, 0)
        os.lseek(self.errors, 0, os.SEEK_SET)
        out, theirs = os.pipe()
        try:
            actions = [(os.POSIX_SPAWN_DUP2, theirs, 1), (os.POSIX_SPAWN_DUP2, self.errors, 2)]
            pid = os.posix_spawn(self.command[0], self.command, QUIET, file_actions=actions)
        except OSError as error:
            os.write(self.errors, str(error).encode())
            os.close(out)
            return []
        finally:
            os.close(theirs)
        text = drained(out, patience)
        os.close(out)
        if text is None:
            os.kill(pid, signal.SIGKILL)
        _, status, used = os.wait4(pid, 0)
        self.saved -= used.ru_utime + used.ru_stime
        return parsed(text) if text and status == 0 else []

    def close(self) -> None:
        """Close the file of py-spy's error output."""
        os.close(self.errors)

    def complaint(self) -> str:
        """Return py-spy's last error output, on one line."""
        said = os.pread(self.errors, 4096, 0).decode(errors="replace")
        return " ".join(said.partition("Stack backtrace")[0].split())[:400]


def drained(pipe: int, patience: float) -> bytes | None:
    """Return everything from a pipe; None if it is too much or takes over `patience` s."""
    poll, deadline, text = select.poll(), clock() + patience, bytearray()
    poll.register(pipe, select.POLLIN)
    while poll.poll(max(0, math.ceil((deadline - clock()) * 1000))):
        chunk = os.read(pipe, 1 << 16)
        if not chunk:
            return bytes(text)
        text += chunk
        if len(text) > LARGEST:
            break
    return None


def parsed(text: bytes) -> list[dict[str, object]]:
    try:
        threads: list[dict[str, object]] = json.loads(text)
    except ValueError:
        return []
    return threads


def sample(thread: dict[str, object]) -> tuple[object, ...]:
    """Return a thread's native id, whether it has the GIL, and frames (function, file, line)."""
    frames: list[dict[str, object]] = thread["frames"]  # type: ignore[assignment]
    spots = [(frame["name"], frame["filename"], frame["line"]) for frame in frames[:DEPTH]]
    return thread["os_thread_id"], thread["owns_gil"], spots


def main(numbers: list[int], py_spy: str) -> None:
    parent, page, timer, channel = numbers
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for descriptor in (timer, channel):
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
    slots = memoryview(mmap.mmap(page, LENGTH, access=mmap.ACCESS_READ)).cast("d")
    os.close(page)
    Outsider(parent, slots, timer, channel, py_spy).run()


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:5]], sys.argv[5])
    os._exit(0)  # nothing to clean up
