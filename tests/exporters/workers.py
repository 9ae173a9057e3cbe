"""A server of many workers, which share their counters: uvicorn's or gunicorn's."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from ..conftest import CHECKOUT, clean_environment
from ..ports import HOST, free_port
from ..serving import PATIENCE, wait_for
from .shared_folder import COUNT


@dataclass
class Workers:
    """A server of many processes."""

    port: int
    notes: Path  # the stalls that were told: process and duration
    folder: Path

    def get(self, path: str) -> httpx.Response:
        """Ask whichever worker takes a new connection."""
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            answer = client.get(f"http://{HOST}:{self.port}{path}", follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return answer

    def block(self, times: int, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Have stalls made, several at a time; return how many requests were answered."""

        def one(_: int) -> bool:
            try:
                return bool(self.get("/block").text)
            except httpx.TransportError:  # its worker is no more
                return False

        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(one, range(times))
            time.sleep(0.3)
            meanwhile()
            return sum(answers)

    def told(self) -> int:
        """Return how many stalls of the route have been told; a crowded machine makes others."""
        return self.notes.read_text().count(" /block ") if self.notes.exists() else 0

    def total(self, name: str, **labels: str) -> float:
        """Return what some worker says is the sum over all labels not given."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_for_total(self, value: float, name: str = COUNT, **labels: str) -> None:
        """Wait until some worker says so: what others have counted may be a second old."""
        deadline = time.monotonic() + 10
        while (now := self.total(name, **labels)) != value:
            assert time.monotonic() < deadline, f"{name} is {now}, not {value}"
            time.sleep(0.1)

    def wait_for_workers(self, count: int, without: int = 0) -> set[int]:
        """Wait until so many workers answer, and return their ids."""
        deadline, found = time.monotonic() + PATIENCE, set[int]()
        while len(found) < count:
            assert time.monotonic() < deadline, f"only {found} answer"
            with ThreadPoolExecutor(8) as pool:
                for answer in pool.map(lambda _: self.get("/who"), range(8)):
                    found.add(int(answer.text))
            found.discard(without)
        return found


@contextmanager
def workers(server: list[str], share: bool = True, **environment: str) -> Iterator[Workers]:
    """Serve `tests.apps.workers:app` with a server's command; `share`: in multiprocess mode."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as output,
    ):
        shared = Path(folder, "shared")
        shared.mkdir()
        notes = Path(folder, "notes")
        mode = {"PROMETHEUS_MULTIPROC_DIR": str(shared)} if share else {}
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in server)],
            cwd=CHECKOUT,
            env=clean_environment() | mode | {"NOTES": str(notes)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(port, process)
            yield Workers(port, notes, shared)
        finally:
            process.terminate()
            process.wait(timeout=20)
            output.seek(0)
            print(output.read())  # pytest shows it if the test failed


UVICORN = [
    *("uvicorn", "tests.apps.workers:app", "--host", HOST, "--port", "{port}"),
    *("--log-level", "warning", "--workers", "4", "--loop"),
]
GUNICORN = [
    *("gunicorn", "tests.apps.workers:app", "--bind", HOST + ":{port}", "--workers", "4"),
    *("--worker-class", "uvicorn_worker.UvicornWorker", "--log-level", "warning"),
    *("--config", "tests/apps/gunicorn_conf.py"),
]
