"""The system call that is a loop's poll."""

import pytest

from loopwatch.tools.attach.poll_call import EPOLL, SELECT, Call, Poll, parsed

from .fake_proc import PARKED, RUNNING, SLEEPING


def call(text: str) -> Call:
    found = parsed(text)
    assert found is not None
    return found


def test_a_call_has_its_number_and_its_first_argument() -> None:
    assert (call(PARKED).number, call(PARKED).first) == (232, "0x3")
    assert call(PARKED).waits
    assert not call(RUNNING).waits
    assert not call("-1 0x7ffd 0x7f19").waits
    assert parsed("") is None


@pytest.mark.parametrize("machine", sorted(EPOLL))
def test_any_epoll_is_idle_until_the_loops_own_is_known(machine: str) -> None:
    poll = Poll(machine)
    assert not poll.known
    for number in EPOLL[machine]:
        assert poll.idle(Call(number, "0x9"))
    for number in SELECT[machine]:
        assert not poll.idle(Call(number, "0x9"))
    assert not poll.idle(call(RUNNING))


def test_another_epoll_and_a_blocking_poll_are_not_the_loops() -> None:
    poll = Poll("x86_64")
    poll.learn(call(PARKED))
    assert poll.known
    assert poll.idle(call(PARKED))
    assert poll.idle(Call(281, "0x3"))  # libuv may take either
    assert not poll.idle(Call(232, "0x4"))
    assert not poll.idle(Call(7, "0x7ffd"))
    assert not poll.idle(call(SLEEPING))


def test_a_loop_with_a_select_selector_is_idle_in_select() -> None:
    poll = Poll("x86_64")
    poll.learn(Call(7, "0x7ffd"))
    assert poll.idle(Call(7, "0x7ffe"))
    assert not poll.idle(Call(232, "0x3"))


def test_what_is_no_poll_is_not_learned() -> None:
    poll = Poll("x86_64")
    poll.learn(call(SLEEPING))
    assert not poll.known


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of .*x86_64.*, got 'vax'"):
        Poll("vax")
