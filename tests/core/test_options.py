"""Options: a wrong one is refused at once, in words that say what must hold and what to do."""

import math
from pathlib import Path
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.core.options import VARIABLES, from_environment, seconds, unknown
from tests.conftest import private_watch


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


@pytest.mark.parametrize(
    "option", ["debug", "native", "server_timing", "trust_request_start", "log", "otel"]
)
@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_a_switch_must_be_true_or_false(option: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{option} must be True or False, got {value!r}"):
        private_watch(**{option: value})


@pytest.mark.parametrize("option", ["app_packages", "allow"])
def test_a_lone_text_is_no_tuple(option: str) -> None:
    """Its letters would be taken for names."""
    with pytest.raises(TypeError, match=rf"{option} must be a tuple.*give \('shop',\)"):
        private_watch(**{option: "shop"})


@pytest.mark.parametrize("option", ["app_packages", "allow"])
@pytest.mark.parametrize("value", [None, 1, {"shop": 1}, ("shop", 1), [None]])
def test_names_must_be_texts(option: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{option} must .* such as 'shop"):
        private_watch(**{option: value})


@pytest.mark.parametrize("name", ["", "my-shop", "shop/prices.py", "shop.", ".shop", "shop *", "1"])
def test_a_package_is_given_by_its_import_name(name: str) -> None:
    with pytest.raises(ValueError, match="app_packages must have import names") as caught:
        private_watch(app_packages=("fine", name))
    assert f"got {name!r}" in str(caught.value)


@pytest.mark.parametrize("pattern", ["", "shop/prices.py", "shop.py:12", "shop prices", "a\nb"])
def test_a_site_is_given_by_module_and_function(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"allow must have patterns of module\.qualname") as caught:
        private_watch(allow=[pattern])
    assert f"got {pattern!r}" in str(caught.value)


def test_names_may_come_in_any_collection() -> None:
    for names in (("größe", "a.b"), ["größe", "a.b"]):
        assert private_watch(app_packages=names).site_rules.app_packages == ("größe", "a.b")
    assert private_watch(allow={"shop.*.<locals>.<lambda>", "shop.[ab]?"})


@pytest.mark.parametrize("value", ["Use x.", ["a", "b"], None, 1])
def test_advice_is_a_mapping(value: Any) -> None:
    with pytest.raises(TypeError, match="advice must map calls to sentences") as caught:
        private_watch(advice=value)
    assert f"got {value!r}" in str(caught.value)


@pytest.mark.parametrize("call", ["", "*", "a b", "db.run()", "a.*", "*.a.*", 1])
def test_advice_is_for_calls(call: Any) -> None:
    with pytest.raises(ValueError, match="advice must have dotted names of calls"):
        private_watch(advice={call: "Use x."})


@pytest.mark.parametrize("sentence", ["", "  ", None, 1])
def test_advice_is_a_sentence(sentence: Any) -> None:
    with pytest.raises(ValueError, match=r"a sentence for 'acme\.db'"):
        private_watch(advice={"*.run": "Use x.", "acme.db": sentence})


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
            "LOOPWATCH_NATIVE": "on",
            "LOOPWATCH_APP_PACKAGES": "shop, acme.lib",
            "LOOPWATCH_ALLOW": "shop.boot.*,",
            "PATH": "/bin",
        }
    )
    assert watch.native is True
    assert watch.site_rules.app_packages == ("shop", "acme.lib")
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


def test_a_variable_s_list_is_checked_as_the_option_is() -> None:
    assert Watch.from_env({"LOOPWATCH_ALLOW": "", "LOOPWATCH_APP_PACKAGES": " , "})
    with pytest.raises(ValueError, match="app_packages must have import names"):
        Watch.from_env({"LOOPWATCH_APP_PACKAGES": "shop,my-lib"})


@pytest.mark.parametrize("text", ["", "maybe", "2"])
def test_a_variable_that_is_no_switch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"must be one of 1, true, .*, got {text!r}"):
        Watch.from_env({"LOOPWATCH_DEBUG": text})


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "Yes", "on"])
def test_switches_may_be_written_in_many_ways(text: str) -> None:
    assert from_environment({"debug": bool}, {"LOOPWATCH_DEBUG": text}) == {"debug": True}


@pytest.mark.parametrize("value", [0, -0.1, 1.01, math.nan, math.inf])
def test_a_share_is_above_zero_and_one_at_most(value: float) -> None:
    with pytest.raises(ValueError, match="cpu_budget must be above 0, and 1 at most") as caught:
        private_watch(cpu_budget=value)
    assert f"got {value!r}; give cpu_budget as 0.05" in str(caught.value)


@pytest.mark.parametrize("value", ["0.05", True, None, "5 %"])
def test_a_share_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match="cpu_budget must be a number above 0, up to 1"):
        private_watch(cpu_budget=value)


def test_a_share_may_come_from_the_environment() -> None:
    assert Watch.from_env({"LOOPWATCH_CPU_BUDGET": "0.02"}).cpu_budget == 0.02
    assert private_watch(cpu_budget=1).cpu_budget == 1.0
    for text in ("5 %", "0", "2", "nan", ""):
        with pytest.raises(ValueError, match="LOOPWATCH_CPU_BUDGET must be a number above 0"):
            Watch.from_env({"LOOPWATCH_CPU_BUDGET": text})


def test_leading_zeros_of_a_port_mean_nothing() -> None:
    given = from_environment(VARIABLES, {"LOOPWATCH_METRICS_PORT": "0009464"})
    assert given["metrics_port"] == 9464


@pytest.mark.parametrize("value", [1, 0.5, b"/tmp", ["/tmp"]])
def test_a_flight_recorder_is_a_switch_or_a_folder(value: Any) -> None:
    with pytest.raises(
        TypeError, match="flight_recorder must be True, False or a folder"
    ) as caught:
        private_watch(flight_recorder=value)
    assert f"got {value!r}" in str(caught.value)


@pytest.mark.parametrize("name", ["", "missing", "file.txt"])
def test_the_folder_of_a_flight_recorder_must_be_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("")
    path = str(tmp_path / name) if name else name
    with pytest.raises(ValueError, match="must be a folder that is there") as caught:
        private_watch(flight_recorder=path)
    assert f"got {path!r}" in str(caught.value)


def test_a_variable_sets_the_flight_recorder(tmp_path: Path) -> None:
    def read(text: str) -> Any:
        return from_environment(VARIABLES, {"LOOPWATCH_FLIGHT_RECORDER": text})

    assert read("0") == {"flight_recorder": False}
    assert read("On") == {"flight_recorder": True}
    assert read(str(tmp_path)) == {"flight_recorder": str(tmp_path)}
    with pytest.raises(ValueError, match=r"must be one of .* or the path of a folder.*got 'maybe'"):
        read("maybe")
