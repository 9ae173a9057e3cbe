"""At which TCP ports a process listens, by `/proc` (proc(5))."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from loopwatch.tools.attach.process_tree import PROC

LISTENING = "0A"
TABLES = ("tcp", "tcp6")
ANYWHERE = {"00000000", "0" * 32}
HERE = {"0100007F": "127.0.0.1", "00000000000000000000000001000000": "[::1]"}


def listening_ports(pid: int, root: Path = PROC) -> list[tuple[str, int]]:
    """Return host and port of each of a process's sockets that can be reached on this machine's
    loopback, the lowest port first.

    Raises:
        PermissionError: its descriptors may not be read.
    """
    owned = inodes(root / str(pid) / "fd")
    found = set()
    for table in TABLES:
        with contextlib.suppress(OSError):
            for line in (root / str(pid) / "net" / table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if len(fields) > 9 and fields[3] == LISTENING and fields[9] in owned:
                    address, _, port = fields[1].partition(":")
                    if address in ANYWHERE or address in HERE:
                        found.add((HERE.get(address, "127.0.0.1"), int(port, 16)))
    return sorted(found, key=lambda each: each[1])


def inodes(folder: Path) -> set[str]:
    """Return the inodes of the sockets among a process's descriptors."""
    found = set()
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            target = os.readlink(folder / name)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found
