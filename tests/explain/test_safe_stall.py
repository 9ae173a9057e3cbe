"""Whatever text a stall has from the app, it comes out safe: none of its places is left out."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import CodeType
from typing import Any

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.core.record_types import Contributor, GilHolder, Site, Stall
from loopwatch.core.safe_text import LONGEST, encodable, label
from loopwatch.core.stack import Stack
from loopwatch.explain.safe_stall import safe_frames, safe_stall

SHOWN = ("thread", "file", "code")  # not names: these are only shown
NOT_OF_THE_APP = ("cause", "phase", "advice", "trace_id", "span_id")


def code(text: str) -> CodeType:
    return compile("", text, "exec").replace(co_name=text, co_qualname=text)


def stall(text: str) -> Stall:
    site = Site(text, text, 1, text)
    spots = Stack([Spot(code("f"), 0, 1, text)])
    return Stall(
        started_at=0.0,
        duration=0.5,
        route=text,
        method=text,
        coroutine=text,
        site=site,
        stack=safe_frames(spots),
        thread=text,
        contributors=(Contributor(coroutine=text, count=1, seconds=0.1),),
        gil_holders=(GilHolder(thread=text, site=site, function=text),),
    )


def texts(thing: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text in a record, with the name of its field."""
    if isinstance(thing, str):
        yield name, thing
    elif isinstance(thing, tuple):
        for each in thing:
            yield from texts(each, name)
    elif is_dataclass(thing):
        for field in fields(thing):
            yield from texts(getattr(thing, field.name), field.name)


@pytest.mark.parametrize("text", ["a\nb", "a\udce9b", "a\x1b[2Jb", "A" * 10_000])
def test_names_are_labels_and_what_is_shown_can_be_encoded(text: str) -> None:
    told = [(n, t) for n, t in texts(safe_stall(stall(text))) if n not in NOT_OF_THE_APP]
    assert len({name for name, _ in told}) == 7
    for name, found in told:
        found.encode()
        assert found == (encodable(found) if name in SHOWN else label(found)), name
        assert name in SHOWN or len(found) <= LONGEST, name
