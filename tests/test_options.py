"""Options: a wrong one is refused at once, in words that say what must hold and what to do."""

import math
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.options import from_environment, seconds, unknown

from .conftest import private_watch


@pytest.mark.parametrize("value", [-1, 0, -0.0, math.nan, math.inf, -math.inf])
def test_a_duration_must_be_finite_and_above_zero(value: float) -> None:
    with pytest.raises(ValueError, match="finite number above 0") as caught:
        Watch(slow_callback_duration=value)
    message = str(caught.value)
    assert message.startswith("slow_callback_duration must be")
    assert f"got {value!r}" in message
    assert "such as 0.1" in message


@pytest.mark.parametrize("value", ["0.1", True, False, None, [0.1], 0.1j])
def test_a_duration_must_be_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match="must be a number of seconds") as caught:
        Watch(slow_callback_duration=value)
    message = str(caught.value)
    assert message.startswith("slow_callback_duration")
    assert f"got {value!r}" in message
    assert "leave it out for the default" in message


@pytest.mark.parametrize("option", ["debug", "log", "otel"])
@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_a_switch_must_be_true_or_false(option: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{option} must be True or False, got {value!r}"):
        private_watch(**{option: value})


def test_options_are_keyword_only() -> None:
    positional: Any = Watch
    with pytest.raises(TypeError, match="positional"):
        positional(0.1)


def test_an_unknown_option_is_python_s_own_error() -> None:
    nonsense: Any = {"slow_callback_duraton": 0.1}
    with pytest.raises(TypeError, match="slow_callback_duraton"):
        Watch(**nonsense)


def test_whole_numbers_are_seconds_too() -> None:
    assert private_watch(slow_callback_duration=1).slow_callback_duration == 1.0
    assert isinstance(seconds("x", 1), float)


def test_the_environment_sets_options() -> None:
    watch = Watch.from_env(
        {
            "LOOPWATCH_SLOW_CALLBACK_DURATION": "0.05",
            "LOOPWATCH_DEBUG": "off",
            "LOOPWATCH_LOG": "no",
            "LOOPWATCH_OTEL": "0",
            "PATH": "/bin",
        }
    )
    assert watch.slow_callback_duration == 0.05
    assert watch.debug is False


def test_without_variables_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPWATCH_SLOW_CALLBACK_DURATION", raising=False)
    assert Watch.from_env({}).slow_callback_duration == 0.1
    assert Watch.from_env().slow_callback_duration == 0.1
    monkeypatch.setenv("LOOPWATCH_SLOW_CALLBACK_DURATION", "0.2")
    assert Watch.from_env().slow_callback_duration == 0.2


def test_an_unknown_variable_is_refused_with_its_likely_name() -> None:
    with pytest.raises(ValueError, match="did you mean") as caught:
        Watch.from_env({"LOOPWATCH_SLOW_CALLBACK_DURATON": "0.1"})
    message = str(caught.value)
    assert "LOOPWATCH_SLOW_CALLBACK_DURATON" in message
    assert "did you mean LOOPWATCH_SLOW_CALLBACK_DURATION?" in message
    assert "LOOPWATCH_DEBUG" in message


def test_a_variable_like_no_other_lists_what_is_known() -> None:
    message = unknown("LOOPWATCH_XYZ", ["LOOPWATCH_DEBUG", "LOOPWATCH_LOG"])
    assert "did you mean" not in message
    assert message.endswith("LOOPWATCH_DEBUG, LOOPWATCH_LOG")


@pytest.mark.parametrize("text", ["", "fast", "-1", "0", "nan", "inf", "0,1", "100ms"])
def test_a_variable_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="finite number of seconds above 0") as caught:
        Watch.from_env({"LOOPWATCH_SLOW_CALLBACK_DURATION": text})
    message = str(caught.value)
    assert message.startswith("LOOPWATCH_SLOW_CALLBACK_DURATION")
    assert f"got {text!r}" in message
    assert "unset it for the default" in message


@pytest.mark.parametrize("text", ["", "maybe", "2"])
def test_a_variable_that_is_no_switch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"must be one of 1, true, .*, got {text!r}"):
        Watch.from_env({"LOOPWATCH_DEBUG": text})


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "Yes", "on"])
def test_switches_may_be_written_in_many_ways(text: str) -> None:
    assert from_environment({"debug": bool}, {"LOOPWATCH_DEBUG": text}) == {"debug": True}
