"""The admin port of a process, without uvicorn: what it answers, and to whom."""

import json
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.startup.admin_port import AdminApp, AdminPort
from tests.conftest import private_watch, run_script

Reply = tuple[str, dict[str, str], bytes]


def ask(path: str, host: str = "127.0.0.1:9464", method: str = "GET", **more: str) -> Reply:
    app, begun = AdminApp(watch(), "127.0.0.1", "127.0.0.1"), list[Any]()
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": host, **more}
    body = b"".join(app(environ, lambda *head: begun.extend(head)))
    status, headers = begun
    return status, dict(headers), body


def watch() -> Watch:
    return private_watch()


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/", "text/html", b"<!doctype html>"),
        ("/snapshot.json", "application/json", b'"stall_count":0'),
        ("/stalls.json", "application/json", b'{"stalls":[]}'),
        ("/livez", "application/json", b'"state"'),
        ("/metrics", "text/plain", b"python_info"),
    ],
)
def test_it_answers_like_the_admin_port_of_one_app(path: str, kind: str, words: bytes) -> None:
    status, headers, body = ask(path)
    assert status == "200 OK"
    assert headers["content-type"].startswith(kind)
    assert headers["content-length"] == str(len(body))
    assert headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" in headers
    assert words.lower() in body.lower()


def test_open_metrics_where_they_are_accepted() -> None:
    _, headers, _ = ask("/metrics", HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")
    assert headers["content-type"].startswith("application/openmetrics-text")


def test_what_is_not_there_and_what_is_not_allowed() -> None:
    assert ask("/nowhere")[0] == "404 Not Found"
    assert ask("/stalls.json", method="POST")[0] == "405 Method Not Allowed"
    status, headers, body = ask("/stalls.json", method="HEAD")
    assert (status, headers["content-length"], body) == ("200 OK", "13", b"")


@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/stalls.json"])
def test_a_foreign_host_is_told_nothing(path: str) -> None:
    status, _, body = ask(path, host="evil.example")
    assert status.startswith("421 ")
    assert body == b"this port is not that host's\n"


def test_each_port_of_a_row_is_another_and_its_address_is_said() -> None:
    printed = run_script("""
        import json, time, urllib.request
        from loopwatch import Watch
        from loopwatch.startup.admin_port import AdminPort

        said = []
        watch = Watch(registry=None, log=False)
        ports = [AdminPort(watch, "127.0.0.1", 0, said.append) for _ in range(2)]
        for port in ports:
            port.open()
        deadline = time.monotonic() + 20
        while len(said) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        for text in said:
            url = text.split()[-1].replace("/metrics", "/stalls.json")
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            assert opener.open(url, timeout=10).read() == b'{"stalls":[]}'
        for port in ports:
            port.close()
        print(json.dumps(said))
    """)
    said = json.loads(printed)
    assert len({*said}) == 2
    assert all(text.startswith("live page http://127.0.0.1:") for text in said)


def test_an_open_port_is_said_to_be_open() -> None:
    said: list[str] = []
    AdminPort(watch(), "127.0.0.1", 9464, said.append).say_where("http://127.0.0.1:9464")
    AdminPort(watch(), "0.0.0.0", 9464, said.append).say_where("http://0.0.0.0:9464")
    assert len(said) == 3
    assert said[-1].startswith("every client that reaches 0.0.0.0 can read")


def test_its_options_are_named_where_it_cannot_open(caplog: pytest.LogCaptureFixture) -> None:
    port = AdminPort(watch(), "192.0.2.1", 9464, print)  # an address that no machine has
    port.open()
    port.close()
    assert "give another admin_port or admin_host" in caplog.text
