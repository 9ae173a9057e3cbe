"""C code that keeps the GIL: calls, and operators. Innocent lines follow, to be blamed wrongly."""

import json
import operator
import pickle
import random
import re
from functools import partial
from typing import Any

from fastapi import APIRouter

from tests.culprits.calibration import long_enough

native = APIRouter()
PATTERN = "(a+)+$"


def innocent(value: Any) -> Any:
    return value


def evil_text(size: int) -> str:
    return "a" * size + "b"


TEXT = evil_text(long_enough(lambda n: lambda: re.match(PATTERN, evil_text(n)), 16, 1.0))


@native.get("/regex")
async def regex() -> None:
    found = re.match(PATTERN, TEXT)  # culprit: regex
    found = innocent(found)
    innocent(found)


def shuffled(size: int) -> list[float]:
    return [random.random() for _ in range(size)]


SHUFFLED = shuffled(long_enough(lambda n: partial(sorted, shuffled(n)), 100_000))


@native.get("/sort")
async def sort() -> None:
    numbers = SHUFFLED.copy()
    numbers.sort()  # culprit: sort
    first = innocent(numbers[0])
    innocent(first)


DUMPED = [0.1] * long_enough(lambda n: partial(json.dumps, [0.1] * n), 100_000)


@native.get("/json")
async def dump_json() -> None:
    text = json.dumps(DUMPED)  # culprit: json
    size = innocent(len(text))
    innocent(size)


PICKLED = [0.1] * long_enough(lambda n: partial(pickle.dumps, [0.1] * n, 0), 100_000)


@native.get("/pickle")
async def dump_pickle() -> None:
    data = pickle.dumps(PICKLED, 0)  # culprit: pickle
    size = innocent(len(data))
    innocent(size)


def squares(size: int) -> int:
    return sum(x * x for x in range(size))


SQUARES = long_enough(lambda n: lambda: squares(n), 100_000)


@native.get("/comprehension")
async def comprehension() -> None:
    """Python code inside a C call: it lets the GIL go."""
    total = sum(x * x for x in range(SQUARES))  # culprit: comprehension
    innocent(total)


EXPONENT = long_enough(lambda n: lambda: 3**n, 500_000, 1.5)


@native.get("/power")
async def power() -> None:
    huge = 3**EXPONENT  # culprit: power
    bits = innocent(huge.bit_length())
    innocent(bits)


FLOATS = [0.5] * long_enough(lambda n: partial(operator.contains, [0.5] * n, -1), 100_000)


@native.get("/contains")
async def contains() -> None:
    found = -1 in FLOATS  # culprit: contains
    found = innocent(found)
    innocent(found)


def is_known(number: float) -> bool:
    known = number in FLOATS  # culprit: contains_below
    return bool(innocent(known))


@native.get("/contains_below")
async def contains_below() -> None:
    known = is_known(-1)
    innocent(known)
