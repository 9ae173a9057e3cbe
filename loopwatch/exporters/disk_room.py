"""Room on the disk for the files that `prometheus_client` maps into memory.

Those files have holes. Where the disk is full, a write into a hole ends the process by SIGBUS, and
nothing can catch that. So before something new is written there, the blocks for it are allocated,
which raises OSError in time. Where a file system cannot do that, its free space is looked at.

Left to `prometheus_client`: values of the app's own, and a file that another process truncates.
"""

from __future__ import annotations

import errno
import os
from typing import Any
from weakref import WeakKeyDictionary

BEGUN = 1 << 16  # bytes of a file that is begun, at least
CANNOT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

_reserved: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # bytes allocated, by file


def reserve(place: Any, more: int) -> None:
    """Allocate all of the file that a value is in, with room for `more` bytes behind what is used.

    The file grows as its owner has it grow, by doubling, so that the owner keeps it as it is.
    """
    kept = getattr(place, "_file", None)
    file = getattr(kept, "_f", None)
    if file is None:
        return
    descriptor = file.fileno()
    used = int.from_bytes(os.pread(descriptor, 4, 0), "little")
    wanted = max(BEGUN, os.fstat(descriptor).st_size)
    while used + more > wanted:
        wanted *= 2
    if _reserved.get(kept, 0) < wanted:
        allocate(descriptor, wanted)
        _reserved[kept] = wanted


def reserved(place: Any) -> int:
    """Return how many bytes the file of a value has."""
    return _reserved.get(getattr(place, "_file", None), BEGUN)


def try_out(folder: str, size: int) -> None:
    """Raise OSError unless a file of `size` bytes can be made in a folder; it is gone again."""
    path = os.path.join(folder, f".loopwatch-{os.urandom(8).hex()}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        allocate(descriptor, size)
    finally:
        os.close(descriptor)
        os.unlink(path)


def allocate(descriptor: int, size: int) -> None:
    """Make a file `size` bytes long at least, without holes; raises OSError if it cannot be."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in CANNOT:
                raise
        else:
            return
    if hasattr(os, "statvfs"):
        free = os.statvfs(descriptor)
        if free.f_bavail * free.f_frsize < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
