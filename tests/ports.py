"""Ports for servers of tests.

The kernel gives out ephemeral ports to every client that connects, so a port that it gave us as
free may be a client's before a server has it. These are from below that range.
"""

import random
import socket

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
TRIES = 100


def free_port() -> int:
    """Return a port that nobody listens at, and that no client is given."""
    for port in random.sample(PORTS, TRIES):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"{TRIES} ports of {PORTS} are all taken")
