"""A real Prometheus on loopback, which scrapes what it is told to and answers questions."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from .ports import HOST, free_port
from .serving import wait_for

INTERVAL = 1.0  # s between two scrapes, and between two evaluations of the rules
PATIENCE = 60.0  # s for Prometheus to start, to scrape or to answer, on a crowded machine
FLAGS = ("--enable-feature=exemplar-storage", "--log.level=warn")


@dataclass(frozen=True)
class Sample:
    """One value of an instant vector, and its labels."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """A running Prometheus: its HTTP API, as far as tests need it."""

    def __init__(self, port: int, client: httpx.Client) -> None:
        self._url, self._client = f"http://{HOST}:{port}/api/v1", client

    def ask(self, what: str, **parameters: Any) -> Any:
        """Return `data` of an answer; an error of Prometheus's fails the test in its words."""
        answer = self._client.get(f"{self._url}/{what}", params=parameters).json()
        assert answer["status"] == "success", f"{what} {parameters}: {answer['error']}"
        return answer["data"]

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """Return an instant vector, as of now or of `at` (Unix time, s)."""
        moment = {} if at is None else {"time": at}
        data = self.ask("query", query=expression, **moment)
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]

    def query_exemplars(self, expression: str, since: float, until: float) -> list[dict[str, Any]]:
        """Return the exemplars of a time (Unix, s), a dict for each series: `seriesLabels` and
        `exemplars`, each with `labels`, `value` and `timestamp`."""
        found: list[dict[str, Any]] = self.ask(
            "query_exemplars", query=expression, start=since, end=until
        )
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules, with their `name`, `type`, `health`, `lastError`, and `state`."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        """Return the targets, with their `labels`, `health`, `lastError` and `lastScrape`."""
        targets: list[dict[str, Any]] = self.ask("targets")["activeTargets"]
        return targets

    def wait_for_scrape(self, since: float) -> dict[str, float]:
        """Wait until every target has been scraped after `since`, and return when each was, by
        `instance`: a query as of then sees that scrape. Unix time, s."""
        ports, deadline = len(self.targets()), time.monotonic() + PATIENCE
        while len(found := self.query(f"timestamp(up) > {since!r} and up == 1")) < ports:
            assert time.monotonic() < deadline, [t["lastError"] for t in self.targets()]
            time.sleep(0.1)
        return {sample.labels["instance"]: sample.value for sample in found}

    def wait_for_rules(self) -> None:
        """Wait until every rule has been evaluated."""
        deadline = time.monotonic() + PATIENCE
        while any(rule["health"] == "unknown" for rule in self.rules()):
            assert time.monotonic() < deadline, f"rules were not evaluated within {PATIENCE} s"
            time.sleep(0.1)


@contextmanager
def prometheus(targets: Mapping[str, Sequence[int]], rules: Sequence[Path]) -> Iterator[Prometheus]:
    """Have a Prometheus scrape `/metrics` at these ports of loopback, by name of the job, and
    evaluate these files; the test is skipped where there is no Prometheus."""
    command, port = executable("prometheus"), free_port()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile("w+") as output,
        httpx.Client(trust_env=False, timeout=PATIENCE) as client,
    ):
        told = Path(folder, "prometheus.json")  # JSON is YAML
        told.write_text(json.dumps(configuration(targets, rules)), encoding="utf-8")
        where = [f"--config.file={told}", f"--storage.tsdb.path={folder}/data"]
        process = subprocess.Popen(
            [command, f"--web.listen-address={HOST}:{port}", *where, *FLAGS],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(port, process)
            wait_until_ready(port, client)
            yield Prometheus(port, client)
        finally:
            process.terminate()
            process.wait(timeout=20)
            output.seek(0)
            print(output.read())  # pytest shows it if the test failed


def configuration(targets: Mapping[str, Sequence[int]], rules: Sequence[Path]) -> dict[str, Any]:
    often = f"{int(INTERVAL * 1000)}ms"
    return {
        "global": {"scrape_interval": often, "evaluation_interval": often},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}],
            }
            for job, ports in targets.items()
        ],
    }


def wait_until_ready(port: int, client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE
    while client.get(f"http://{HOST}:{port}/-/ready").status_code != 200:
        assert time.monotonic() < deadline, f"Prometheus was not ready within {PATIENCE} s"
        time.sleep(0.1)


def executable(name: str) -> str:
    """Return `prometheus` or `promtool`; in CI it must be there, and is installed if it can be."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") == "true":
        install()
        found = shutil.which(name)
        assert found is not None, f"CI must have {name}: install prometheus before the tests"
    if found is None:
        pytest.skip(f"there is no {name}")
    return found


def install() -> None:
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update"], check=True)
        subprocess.run(
            ["apt-get", "install", "-y", "--no-install-recommends", "prometheus"], check=True
        )
