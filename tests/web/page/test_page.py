"""The live page as an ASGI app: paths, methods, headers, mounts."""

import asyncio
import json
import sys
import threading
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from loopwatch import LoopWatchMiddleware, page
from loopwatch.core.record_types import Site
from loopwatch.exporters.pprof import message_class
from tests.conftest import MakeWatch, block_for, run_on, run_script
from tests.web.page.answer import ask
from tests.web.page.told import HOSTILE, ToldWatch, hostile_watch, stall

PATHS = (
    "/",
    "/snapshot.json",
    "/stalls.json",
    "/tails.json",
    "/flamegraph.folded",
    "/profile.speedscope.json",
    "/trace.json",
    # not profile.pb.gz: it has the moment in it, so each one has its own length
)


@pytest.mark.parametrize("wrong", [None, "watch", object()])
def test_page_wants_a_watch(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a loopwatch\.Watch, got"):
        page(wrong)


@pytest.mark.parametrize("path", PATHS)
def test_headers_let_the_page_do_no_more_than_it_needs(path: str) -> None:
    answer = ask(page(ToldWatch(stall())), path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_snapshot_is_the_watchs_own() -> None:
    watch = ToldWatch(stall(), stall("shop.worse"), stall(), taken_at=5.0, self_seconds=0.0)
    app = page(watch)
    for _ in range(2):  # the second time from what was kept
        answer = ask(app, "/snapshot.json")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == watch.snapshot().to_dict() | {"what_if": []}
    watch.told = watch.told[1:]
    assert ask(app, "/snapshot.json").json()["stalls"] == [s.to_dict() for s in watch.told]


def test_stalls_and_profiles() -> None:
    watch = ToldWatch(stall(), stall())
    app = page(watch)
    assert ask(app, "/stalls.json").json() == {"stalls": [s.to_dict() for s in watch.stalls]}
    text = ask(app, "/flamegraph.folded")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text == "server.serve;shop.bad 500\n"
    assert ask(app, "/profile.speedscope.json").json()["profiles"][0]["weights"] == [0.5]


def test_profiles_of_the_loop_s_time_have_the_same_addresses() -> None:
    watch = ToldWatch(stall())
    given = Site("shop.f", "/app/shop.py", 7), "json.loads", (), 0.25, 5
    watch._loop_time.table.add("/import", *given)
    app, query = page(watch), b"of=loop_time"
    assert ask(app, "/flamegraph.folded", query_string=query).text == "/import;shop.f 250\n"
    (profile,) = ask(app, "/profile.speedscope.json", query_string=query).json()["profiles"]
    assert profile["weights"] == [0.25]
    assert ask(app, "/profile.pb.gz").content.startswith(b"\x1f\x8b")
    refused = ask(app, "/flamegraph.folded", query_string=b"of=memory")
    assert (refused.status_code, "stalls or loop_time" in refused.text) == (400, True)


def test_without_protobuf_the_answer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    message_class.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    answer = ask(page(ToldWatch()), "/profile.pb.gz")
    assert (answer.status_code, "loopwatch[pprof]" in answer.text) == (501, True)


def test_not_a_number_is_never_written() -> None:
    """What is no JSON is an error of the page, not a page that cannot be read."""
    with pytest.raises(ValueError, match="JSON"):
        ask(page(ToldWatch(self_seconds=float("nan"))), "/snapshot.json")


@pytest.mark.parametrize(
    "path", ["/index.html", "/snapshot", "/../snapshot.json", "/x/stalls.json"]
)
def test_other_paths_are_not_found(path: str) -> None:
    answer = ask(page(ToldWatch()), path)
    assert answer.status_code == 404
    assert "snapshot.json" in answer.text
    assert path not in answer.text


def test_other_methods_are_not_allowed() -> None:
    app = page(ToldWatch())
    for method in ("POST", "PUT", "DELETE", "OPTIONS", HOSTILE):
        answer = ask(app, "/snapshot.json", method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_the_body(path: str) -> None:
    app = page(ToldWatch(taken_at=5.0, self_seconds=0.0))
    got, head = ask(app, path), ask(app, path, "HEAD")
    assert (head.status_code, head.content, head.headers) == (200, b"", got.headers)


@pytest.mark.parametrize(
    "scope",
    [
        {"path": "/snapshot.json"},
        {"path": "/snapshot.json/"},
        {"path": "/watch/snapshot.json", "root_path": "/watch"},
        {"path": "/snapshot.json", "root_path": "/watch"},
        {"path": "/api/watch/snapshot.json", "root_path": "/api/watch", "app_root_path": "/api"},
        {"path": "/watch/snapshot.json", "root_path": "/api/watch", "app_root_path": "/api"},
    ],
)
def test_mount_is_left_out_of_the_path(scope: dict[str, str]) -> None:
    """Frameworks and proxies differ in what of the way here is still in the path."""
    assert ask(page(ToldWatch()), **scope).status_code == 200


@pytest.mark.parametrize(
    ("scope", "location"),
    [
        ({"path": "/api/watch", "root_path": "/api/watch"}, "./watch/"),
        ({"path": "", "root_path": "/watch"}, "./watch/"),
    ],
)
def test_page_without_its_slash_is_sent_there(scope: dict[str, str], location: str) -> None:
    answer = ask(page(ToldWatch()), **scope)
    assert (answer.status_code, answer.headers["location"]) == (307, location)


def test_mounted_and_alone(loop: str, make_watch: MakeWatch) -> None:
    """In FastAPI, in a mount within a mount, and as the whole app; under the middleware."""
    watch = make_watch()
    fastapi = FastAPI()
    fastapi.mount("/loopwatch", page(watch))
    nested = Starlette(routes=[Mount("/api", Starlette(routes=[Mount("/lw", page(watch))]))])
    cases = ((fastapi, "/loopwatch"), (nested, "/api/lw"), (page(watch), ""))

    async def main() -> None:
        for app, mount in cases:
            transport = httpx.ASGITransport(LoopWatchMiddleware(app, watch=watch))
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                for path in PATHS:
                    answer = await client.get(mount + path)
                    assert answer.status_code == 200, (mount, path)
                answer = await client.get(mount or "/", follow_redirects=True)
                assert (answer.status_code, answer.url.path) == (200, f"{mount}/")
                told = (await client.get(f"{mount}/snapshot.json")).json()
                assert [reading["loop"] for reading in told["loops"]] == [loop]

    run_on(loop, main())


def test_real_stall_is_told(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        took = block_for(0.15)
        await asyncio.sleep(0.1)
        transport = httpx.ASGITransport(page(watch))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            [told] = (await client.get("/stalls.json")).json()["stalls"]
            assert told["duration"] == pytest.approx(took, abs=0.05)
            assert told["site"]["function"].endswith("conftest.block_for")
            assert "conftest.block_for" in (await client.get("/flamegraph.folded")).text

    run_on(loop, main())


def test_page_answers_while_every_worker_thread_is_taken(loop: str) -> None:
    """It is asked most when the app's own pool is used up."""
    free = threading.Event()

    async def main() -> None:
        taken = [asyncio.create_task(asyncio.to_thread(free.wait, 20)) for _ in range(64)]
        try:
            await asyncio.sleep(0.05)
            transport = httpx.ASGITransport(page(ToldWatch()))
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                answer = await asyncio.wait_for(client.get("/snapshot.json"), 10)
                assert answer.status_code == 200
        finally:
            free.set()
            await asyncio.gather(*taken)

    run_on(loop, main())


def test_websocket_is_turned_away() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    app: Any = page(ToldWatch())
    asyncio.run(app({"type": "websocket", "path": "/"}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_served_alone_it_goes_along_with_lifespan() -> None:
    messages = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": next(messages)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    app: Any = page(ToldWatch())
    asyncio.run(app({"type": "lifespan"}, receive, send))
    told = [message["type"] for message in sent]
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


FORKED = """
    import asyncio, os, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork with threads about
    from loopwatch import page
    from tests.asgi import visit
    from tests.conftest import private_watch

    app = page(private_watch())
    asyncio.run(visit(app, "/snapshot.json"))
    pid = os.fork()
    if pid == 0:
        asyncio.run(asyncio.wait_for(visit(app, "/snapshot.json"), 5))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork here")
def test_a_fork_after_the_first_answer_answers_too() -> None:
    assert run_script(FORKED).strip() == "0"


def test_hostile_names_are_json_strings() -> None:
    app = page(hostile_watch())
    answer = ask(app, "/snapshot.json")
    assert answer.content.isascii()
    assert b"\x00" not in answer.content
    told = json.loads(answer.content)
    assert told["stalls"][0]["site"]["function"] == HOSTILE
    assert told["requests"][0]["route"] == HOSTILE
    assert ask(app, "/flamegraph.folded").text.count("\n") == 1
