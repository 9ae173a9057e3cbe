"""CPU time (user and system, all threads) of the server at its natural speed."""

from __future__ import annotations

import time

from child import Setup, serving
from client import Client

WARM_UP = 500
LONGER = 4  # times the batch for instructions: time is noisier, and requests are faster


def ratios(base: Setup, other: Setup, requests: int, rounds: int) -> list[float]:
    """`other` over `base`, once per round; they take turns, so both meet the same conditions."""
    with serving(base) as one, serving(other) as two, Client(one.port) as a, Client(two.port) as b:
        for client in (a, b):
            client.load(WARM_UP)
        return [_ratio(a, b, requests, swapped=bool(n % 2)) for n in range(rounds)]


def _ratio(base: Client, other: Client, requests: int, swapped: bool) -> float:
    if swapped:
        return 1 / _ratio(other, base, requests, swapped=False)
    used = _used(base, requests)
    return _used(other, requests) / used


def _used(client: Client, requests: int) -> int:
    began = client.mark().began
    client.load(requests * LONGER)
    return client.mark().ended - began


def idle_share(setup: Setup, seconds: float) -> float:
    """The share of one core that an idle server takes."""
    with serving(setup) as child, Client(child.port) as client:
        client.load(WARM_UP)
        began, clock = client.mark().began, time.perf_counter()
        time.sleep(seconds)
        return (client.mark().ended - began) / 1e9 / (time.perf_counter() - clock)
