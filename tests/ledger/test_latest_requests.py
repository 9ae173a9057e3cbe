"""The ring of a row's latest requests: their order, and whom they waited for."""

import pytest

from loopwatch.core.holds import Hold, Wait
from loopwatch.core.recent import PARTS, RECENT
from tests.ledger.made_requests import begun, table


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 256, 257, RECENT, RECENT + 1, 3 * RECENT + 7])
def test_the_latest_requests_are_kept_in_order(count: int) -> None:
    requests = table()
    row = requests.row(begun(0.0))
    for number in range(count):
        requests.finish(begun(float(number)), number + 0.5, 0.0)
    kept = [*row.recent_requests().unpacked("/row", "GET")]
    offset = row.recent_requests().to_unix
    arrived = [round(r.started_at - offset, 1) for r in kept]
    assert arrived == [float(n) for n in range(count)][-RECENT:]
    assert row.finished == count
    assert len(row.recent()) == min(count, RECENT) * PARTS * 8


def test_whom_requests_waited_for_stays_with_them_round_the_ring() -> None:
    requests = table()
    row = requests.row(begun(0.0))
    blamed: list[float] = []
    for number in range(2 * RECENT + 100):
        request = begun(float(number))
        if number % 3 == 0:
            hold = Hold(0.0, 1.0, None, lambda _: True)
            request.waits = [Wait(hold, request, number, 0.0, 0.0, 0.0, queued=False)]
        requests.finish(request, number + 0.5, 0.0)
        if number in (5, 100, RECENT, RECENT + 1, 2 * RECENT + 99):
            offset = row.recent_requests().to_unix
            for kept in row.recent_requests().unpacked("/row", "GET"):
                arrived = round(kept.started_at - offset)
                blamed += [b.seconds for b in kept.blames]
                assert [b.seconds for b in kept.blames] == [arrived] * (arrived % 3 == 0)
    assert blamed
