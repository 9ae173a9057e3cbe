"""Kubernetes' variables of a Service named like us are no options of ours."""

from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.core.options import VARIABLES, from_environment

SERVICE = {  # as kubelet writes them for a Service `loopwatch` with ports `http` and `dns`
    "LOOPWATCH_SERVICE_HOST": "10.0.0.1",
    "LOOPWATCH_SERVICE_PORT": "80",
    "LOOPWATCH_SERVICE_PORT_HTTP": "80",
    "LOOPWATCH_SERVICE_PORT_DNS_TCP": "53",
    "LOOPWATCH_PORT": "tcp://10.0.0.1:80",
    "LOOPWATCH_PORT_80_TCP": "tcp://10.0.0.1:80",
    "LOOPWATCH_PORT_80_TCP_PROTO": "tcp",
    "LOOPWATCH_PORT_80_TCP_PORT": "80",
    "LOOPWATCH_PORT_80_TCP_ADDR": "10.0.0.1",
    "LOOPWATCH_PORT_53_UDP": "udp://[fd00::1]:53",
    "LOOPWATCH_PORT_53_UDP_PROTO": "udp",
    "LOOPWATCH_PORT_53_UDP_PORT": "53",
    "LOOPWATCH_PORT_53_UDP_ADDR": "fd00::1",
}


def renamed(service: str) -> dict[str, str]:
    """Return the variables of a Service of another name."""
    return {name.replace("LOOPWATCH_", service, 1): value for name, value in SERVICE.items()}


def options_of(environment: dict[str, str]) -> dict[str, Any]:
    return from_environment(VARIABLES, environment)


@pytest.mark.parametrize("service", ["LOOPWATCH_", "LOOPWATCH_METRICS_", "LOOPWATCH_DEMO_2_"])
def test_a_service_s_variables_are_left_alone(service: str) -> None:
    assert options_of(renamed(service)) == {}
    assert options_of({**renamed(service), "LOOPWATCH_LOG": "off"}) == {"log": False}
    assert Watch.from_env({**renamed(service), "LOOPWATCH_LOG": "off"}).slow_callback_duration


def test_an_option_that_a_service_is_named_like_is_read_all_the_same() -> None:
    assert options_of({**SERVICE, "LOOPWATCH_METRICS_PORT": "9100"}) == {"metrics_port": 9100}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOOPWATCH_PORT", "9100"),
        ("LOOPWATCH_PORT", ""),
        ("LOOPWATCH_PORT", "http://10.0.0.1:80"),
        ("LOOPWATCH_PORTS", "tcp://10.0.0.1:80"),
        ("LOOPWATCH_PORT_80", "tcp://10.0.0.1:80"),
        ("LOOPWATCH_SERVICE", "10.0.0.1"),
        ("LOOPWATCH_SERVICE_PORT", "http"),
        ("LOOPWATCH_SERVICE_NAME", "shop"),
    ],
)
def test_what_no_service_sets_is_an_unknown_option(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is no option of loopwatch"):
        options_of({name: value})
