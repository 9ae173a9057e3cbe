"""What is remembered: bounded, and of code objects that are gone nothing."""

import gc
import weakref
from itertools import count
from types import CodeType

from loopwatch.core.memo import CodeMemo, Memo


def code(line: int = 1) -> CodeType:
    return compile("\n" * line + "x = 1", "/app/shop.py", "exec")


def test_a_memo_is_bounded_and_keeps_what_is_asked_for() -> None:
    memo = Memo[int, str](10)
    memo.put(-1, "often")
    for n in range(1000):
        memo.put(n, str(n))
        assert memo.get(-1) == "often"
        assert len(memo) <= 10
    assert memo.get(999) == "999"
    assert memo.get(1) is None


def test_code_is_known_by_identity_not_by_what_it_does() -> None:
    numbers = count(1)
    memo = CodeMemo(lambda _: next(numbers), 100)
    first, second = code(), code()
    assert first == second
    assert (memo(first), memo(second), memo(first), memo(second)) == (1, 2, 1, 2)


def test_what_is_given_beside_the_code_counts_too() -> None:
    memo, first = CodeMemo(lambda c, text: f"{c.co_firstlineno} {text}", 100), code()
    assert [memo(first, "a"), memo(first, "b"), memo(first, "a")] == ["1 a", "1 b", "1 a"]


def test_code_is_not_kept_alive_and_its_address_proves_nothing() -> None:
    memo = CodeMemo(lambda c: c.co_firstlineno, 100)
    gone = code(1)
    assert memo(gone) == gone.co_firstlineno
    address, alive = id(gone), weakref.ref(gone)
    del gone
    gc.collect()
    assert alive() is None
    for line in range(2, 200):  # one of them gets the address
        other = code(line)
        found = id(other) == address
        assert memo(other) == other.co_firstlineno
        if found:
            return
