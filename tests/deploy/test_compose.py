"""What `deploy/` says, as far as that can be known without an engine that runs it."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..conftest import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
GENERATED = "/generated"


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = read("compose.yaml")["services"]
    return services


def test_every_port_is_open_to_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) >= 5
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_every_image_is_pinned_or_built_here(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if "build" in service:
            build = service["build"]
            assert (DEPLOY / build["context"]).resolve() == CHECKOUT, name
            assert (CHECKOUT / build["dockerfile"]).is_file()
        else:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), name


def test_every_mount_is_there(services: dict[str, Any]) -> None:
    """A file that is missing would be made, as an empty folder, by the engine."""
    volumes = read("compose.yaml")["volumes"].keys()
    for service in services.values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).is_file(), mount
                assert mount.endswith(":ro")
            else:
                assert source in volumes, mount


def test_services_know_each_other(services: dict[str, Any]) -> None:
    for name, service in services.items():
        needed = service.get("depends_on", ())
        assert set(needed) <= services.keys(), name
    texts = [path.read_text(encoding="utf-8") for path in DEPLOY.glob("*.y*ml")]
    named = {host for text in texts for host in re.findall(r"(?:://|[\" ])(\w+):\d{4,5}\b", text)}
    assert named - {"0.0.0.0"} <= services.keys()
    for reader in ("grafana", "prometheus"):
        after = services[reader]["depends_on"]["generate"]
        assert after == {"condition": "service_completed_successfully"}


def test_the_collector_s_pipelines_are_whole() -> None:
    whole = read("collector.yaml")
    for kind, pipeline in whole["service"]["pipelines"].items():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= whole[part].keys(), kind
        assert pipeline["processors"][0] == "memory_limiter"
    used = {name for p in whole["service"]["pipelines"].values() for name in p["exporters"]}
    assert used == whole["exporters"].keys()


def test_points_lead_to_the_data_source_of_traces(services: dict[str, Any]) -> None:
    (source,) = read("traces.yml")["datasources"]
    command = services["generate"]["command"][-1]
    assert f"--traces {source['uid']}" in command
    assert f"--mounted-at {GENERATED}" in command
    assert services["grafana"]["environment"]["GF_PATHS_PROVISIONING"].startswith(GENERATED)
    assert f"{GENERATED}:ro" in services["prometheus"]["volumes"][1]
    assert "--enable-feature=exemplar-storage" in services["prometheus"]["command"]


def test_the_image_copies_what_is_there_and_not_ignored() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    wanted = {part for parts in copies for part in parts if not parts[0].startswith("--from")}
    assert {"loopwatch", "examples", "pyproject.toml"} <= wanted
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for part in wanted:
        assert (CHECKOUT / part).exists()
        assert f"!{part}" in allowed
    assert "USER app" in lines


@pytest.mark.slow
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """Its rules are another test's: they are made, not kept here."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "CI must have promtool"
        pytest.skip("promtool is not installed")
    text = (DEPLOY / "prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "rules").mkdir()
    here = tmp_path / "prometheus.yml"
    here.write_text(text.replace(GENERATED, str(tmp_path)), encoding="utf-8")
    command = [promtool, "check", "config", str(here)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
