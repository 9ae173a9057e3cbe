"""`loopwatch grafana DIR`: a folder that Grafana and Prometheus can load as it lies there."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopwatch.__main__ import main
from loopwatch.tools.cli import grafana_command as grafana
from loopwatch.tools.grafana.shipped import shipped

RULES = "groups:\n  - name: g\n    rules:\n      - annotations:\n          runbook_url: "


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "loop watch"


def test_everything_shipped_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grafana", str(folder)]) == 0
    made = {
        "prometheus.yml",
        "provisioning/dashboards/loopwatch.yml",
        "provisioning/datasources/loopwatch.yml",
    }
    assert files(folder) == {*shipped(), *made, ".loopwatch.json"}
    for path, text in shipped().items():
        assert (folder / path).read_text(encoding="utf-8") == text
    said = capsys.readouterr()
    assert "dashboards (2)" in said.out
    assert said.out.count(str(folder)) == 4  # what was written, and what to do with it
    assert said.err == ""


def test_a_folder_named_relatively_is_provisioned_absolutely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["grafana", "./g/"]) == 0
    [provider] = loaded(tmp_path / "g/provisioning/dashboards/loopwatch.yml")["providers"]
    place = Path(provider["options"]["path"])
    assert place == tmp_path / "g" / "dashboards"
    assert {json.loads(path.read_text())["uid"] for path in place.iterdir()} == {
        "loopwatch-overview",
        "loopwatch-diagnosis",
    }


def test_options_reach_the_files(folder: Path) -> None:
    options = ["--mounted-at", "/etc/lw/", "--prometheus", "https://prom.example/x/"]
    options += ["--target", "app:8000", "--traces", "tempo"]
    assert main(["grafana", str(folder), *options]) == 0
    [provider] = loaded(folder / "provisioning/dashboards/loopwatch.yml")["providers"]
    [source] = loaded(folder / "provisioning/datasources/loopwatch.yml")["datasources"]
    [job] = loaded(folder / "prometheus.yml")["scrape_configs"]
    assert provider["options"]["path"] == "/etc/lw/dashboards"
    assert source["url"] == "https://prom.example/x"
    assert source["jsonData"]["exemplarTraceIdDestinations"][0]["datasourceUid"] == "tempo"
    assert job["static_configs"] == [{"targets": ["app:8000"]}]


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ([], "runbooks/A.md"),
        (["--runbooks", "https://wiki.example/lw/"], "https://wiki.example/lw/runbooks/A.md"),
    ],
)
def test_alerts_lead_to_their_runbooks(
    folder: Path, options: list[str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"rules/a.yml": f"{RULES}runbooks/A.md\n", "runbooks/A.md": "runbook_url: runbooks/A"}
    monkeypatch.setattr(grafana, "shipped", lambda: dict(texts))
    assert main(["grafana", str(folder), *options]) == 0
    [group] = loaded(folder / "rules/a.yml")["groups"]
    assert group["rules"][0]["annotations"]["runbook_url"] == address
    assert (folder / "runbooks/A.md").read_text() == texts["runbooks/A.md"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: DIR"),
        ([""], "must be a path in printable characters, got ''"),
        (["g", "--prometheus", "prom:9090"], "give it as http://host:port"),
        (["g", "--prometheus", "http://"], "must be an http:// or https:// address"),
        (["g", "--prometheus", 'http://a"b'], "must be an http:// or https:// address"),
        (["g", "--runbooks", "runbooks"], "must be an http:// or https:// address"),
        (["g", "--target", "8000"], "must be HOST:PORT, got '8000'"),
        (["g", "--target", "app:http"], "from 0 to 65535, got 'http'"),
        (["g", "--target", "http://app:80"], "must be HOST:PORT"),
        (["g", "--mounted-at", "a\nb"], "must be a path in printable characters"),
        (["g", "--traces", "http://tempo/"], "a URL with ${__value.raw} for the trace's id"),
        (["g", "--traces", "tempo: x"], "must be the uid of a data source"),
    ],
)
def test_wrong_arguments(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["grafana", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("loopwatch: ")
    assert words in line
    assert files(tmp_path) == set()
