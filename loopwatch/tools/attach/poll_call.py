"""Which system call of a thread is the poll of its event loop.

`/proc/PID/task/TID/syscall` holds the number and the arguments of the call that a thread waits in,
or `running` (proc(5)). A loop that waits in its poll is idle. A blocking call may poll as well:
`requests` waits for an answer with `poll`, a second selector with `epoll_wait`. So once it is
known, only the loop's own call on the loop's own descriptor counts.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

EPOLL = {  # numbers of epoll_wait, epoll_pwait, epoll_pwait2 (Linux, unistd.h of each)
    "x86_64": (232, 281, 441),
    "aarch64": (22, 441),
    "riscv64": (22, 441),
    "loongarch64": (22, 441),
    "ppc64le": (238, 303, 441),
    "s390x": (250, 312, 441),
    "armv7l": (252, 346, 441),
    "i686": (256, 319, 441),
}
SELECT = {  # of poll, ppoll, select, pselect6, and with 64-bit times
    "x86_64": (7, 271, 23, 270),
    "aarch64": (73, 72),
    "riscv64": (73, 72),
    "loongarch64": (73, 72),
    "ppc64le": (167, 281, 82, 142, 280),
    "s390x": (168, 302, 142, 301),
    "armv7l": (168, 336, 142, 335, 413, 414),
    "i686": (168, 309, 142, 308, 413, 414),
}
RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Call:
    """What a thread does, as `syscall` has it."""

    number: int  # of the system call; -1: on the CPU, or in no call
    first: str = ""  # its first argument
    whole: str = ""  # all of it, with the stack pointer: the same text is the same call

    @property
    def waits(self) -> bool:
        """Whether the thread is in a system call."""
        return self.number >= 0


def parsed(text: str) -> Call | None:
    """Return what `syscall` says; None if the thread has ended."""
    words = text.split()
    if not words:
        return None
    if not words[0].isdigit():  # running; -1: stopped outside any call
        return Call(-1)
    return Call(int(words[0]), words[1] if len(words) > 1 else "", text)


class Poll:
    """Tells whether a loop's thread is in its poll.

    Until the loop's own call has been `learned`, any wait on an epoll counts.

    Raises ValueError if the numbers of this machine's system calls are not known.
    """

    def __init__(self, machine: str = "") -> None:
        machine = machine or platform.machine()
        if machine not in EPOLL:
            raise ValueError(f"the machine must be one of {', '.join(EPOLL)}, got {machine!r}")
        self._epoll, self._select = EPOLL[machine], SELECT[machine]
        self._own: tuple[int, str] | None = None

    @property
    def known(self) -> bool:
        return self._own is not None

    def learn(self, call: Call) -> None:
        """Take this call as the loop's poll: its stack says that it waits there."""
        if call.number in self._epoll:
            self._own = call.number, call.first
        elif call.number in self._select:  # a pointer comes first: another one each time
            self._own = call.number, ""

    def is_epoll(self, call: Call) -> bool:
        return call.number in self._epoll

    def idle(self, call: Call) -> bool:
        """Return whether the thread waits in the loop's poll."""
        if self._own is None:
            return call.number in self._epoll
        number, first = self._own
        if call.number in self._epoll and number in self._epoll:  # libuv may take either
            return call.first == first
        return call.number == number
