"""The logger `loopwatch` beside logging configurations: off only if somebody meant it."""

import json
import logging

import pytest

from loopwatch.core.own_logger import own_logger, was_spared
from tests.conftest import run_script

SETUP = """
    import configparser, io, json, logging, logging.config, sys, time
    if "class" in sys.argv:
        class Mine(logging.Logger):
            __slots__ = ("more",)
        logging.setLoggerClass(Mine)
    from loopwatch.core.guard import logger, say

    OUT = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    PLAIN = {"version": 1, "handlers": {"h": OUT}, "root": {"handlers": ["h"], "level": "INFO"}}
    FILE = (
        "[loggers]\\nkeys=root\\n[handlers]\\nkeys=h\\n[formatters]\\nkeys=\\n"
        "[logger_root]\\nlevel=INFO\\nhandlers=h\\n"
        "[handler_h]\\nclass=StreamHandler\\nargs=(sys.stdout,)\\n"
    )

    def configure(**more):
        logging.config.dictConfig(PLAIN | more)

    def by_file():
        parser = configparser.ConfigParser()
        parser.read_file(io.StringIO(FILE))
        logging.config.fileConfig(parser)

    def by_hand(value):
        logger.disabled = value
"""

CASES = """
    WAYS = {
        "default": [configure],
        "twice": [configure, configure],
        "file": [by_file],
        "on again": [lambda: by_hand(True), configure, lambda: by_hand(False)],
        "off before": [lambda: by_hand(True), configure],
        "off after": [configure, lambda: by_hand(True)],
        "off between": [configure, lambda: by_hand(True), configure],
        "off before the file": [lambda: by_hand(True), by_file],
        "level": [lambda: configure(loggers={"loopwatch": {"level": "CRITICAL"}})],
        "no handler": [lambda: configure(loggers={"loopwatch": {"propagate": False}})],
        "disable": [configure, lambda: logging.disable(logging.CRITICAL)],
    }
    logging.lastResort = None
    written = {}
    for way, steps in WAYS.items():
        logger.disabled, logger.propagate = False, True
        logger.setLevel(logging.NOTSET)
        logging.disable(logging.NOTSET)
        sys.stdout = io.StringIO()
        for step in steps:
            step()
        for _ in range(2):
            say(logging.WARNING, "held the loop")
        written[way] = sys.stdout.getvalue().splitlines()
    sys.stdout = sys.__stdout__
    print(json.dumps(written))
"""

WATCHED = """
    import asyncio
    from loopwatch import Watch
    configure()

    async def main():
        await asyncio.sleep(0.01)
        time.sleep(0.15)
        await asyncio.sleep(0)

    with Watch(registry=None, otel=False) as watch:
        asyncio.run(main())
    assert watch.stalls
"""

HELD = "held the loop"


def test_only_who_means_it_silences_it() -> None:
    """A configuration that does not name it leaves it on, which is said once."""
    written: dict[str, list[str]] = json.loads(run_script(SETUP + CASES))
    for way in ("default", "twice", "file", "on again"):
        said, *held = written.pop(way)
        assert "disable_existing_loggers=True does not name the logger loopwatch" in said, way
        assert held == [HELD] * 2, way
    assert written == {
        way: []
        for way in (
            *("off before", "off after", "off between", "off before the file"),
            *("level", "no handler", "disable"),
        )
    }


@pytest.mark.parametrize("more", [(), ("class",)], ids=str)
def test_stalls_are_logged_after_a_configuration(more: tuple[str, ...]) -> None:
    """Also if loggers are of a class of the app's own."""
    lines = run_script(SETUP + WATCHED, *more).splitlines()
    assert any(HELD in line for line in lines)


def test_it_is_the_logger_that_everybody_gets() -> None:
    logger = own_logger("loopwatch")
    assert logger is logging.getLogger("loopwatch")
    assert logger is own_logger("loopwatch")
    assert type(logger).__mro__[1:] == logging.Logger.__mro__
    assert repr(logger).startswith("<Logger loopwatch ")
    assert not was_spared(logger)


def test_a_class_that_decides_by_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Decided(logging.Logger):
        disabled = property(lambda self: True, lambda self, value: None)

    monkeypatch.setattr(logging.Logger.manager, "loggerClass", Decided)
    logger = own_logger("tests.core.test_own_logger.decided")
    assert type(logger) is Decided
    assert logger.disabled
