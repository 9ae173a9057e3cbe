"""Names that an attacker, or an odd framework, may choose: wherever they come out they are text."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as prometheus
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopwatch import LoopWatchMiddleware, Watch, metrics, page, timed
from loopwatch.core.safe_text import LONGEST, safe
from tests.conftest import MakeWatch, run_on

HOSTILE = {
    "ansi": "\x1b[2J\x1b]0;owned\x07",
    "lines": "x\r\n2026-11-27 ERROR root: forged",
    "bidi": "abc\u202egnp.exe\u200b\u2066",
    "surrogate": "a\udce9b",
    "folded": "a;b 999\nfake;stack 100000",
    "quotes": "a\"b'c\\d`e</script>",
    "long": "A" * 100_000,
}
PLACES = ("function", "file", "route", "label")
TEXTS = ("flamegraph.folded", "metrics", "openmetrics", "log")
JSON = ("snapshot.json", "stalls.json", "tails.json", "profile.speedscope.json", "trace.json")


parsed: Any = parser.text_string_to_metric_families


def endpoint(name: str, file: str) -> Any:
    """Return an endpoint that blocks, of that name and file."""
    names: dict[str, Any] = {"sleep": time.sleep, "__name__": "hostile", "R": PlainTextResponse}
    source = "async def f(request):\n    sleep(0.2)\n    return R('ok')\n"
    exec(compile(source, file, "exec"), names)
    made = names["f"]
    made.__code__ = made.__code__.replace(co_name=name, co_qualname=name)
    made.__name__ = made.__qualname__ = name
    return made


def app_with(place: str, text: str, watch: Watch) -> Any:
    name = text if place == "function" else "good"
    file = f"/srv/app/{text.replace('/', '_') if place == 'file' else 'good'}.py"
    route = Route("/x", endpoint(name, file))
    if place == "route":
        route.path = route.path_format = f"/{text}"
    return LoopWatchMiddleware(Starlette(routes=[route]), watch=watch)


async def got(app: Any, path: str, **headers: str) -> str:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def told(watch: Watch, registry: CollectorRegistry, app: Any, label: str) -> dict[str, str]:
    await got(app, "/x")
    await timed(asyncio.sleep(0), label)
    await asyncio.sleep(0.15)
    assert len([stall for stall in watch.stalls if stall.method]) == 1
    names = ("flamegraph.folded", *JSON)
    found = {name: await got(page(watch), f"/{name}") for name in names}
    found["metrics"] = await got(metrics(registry), "/")
    accept = "application/openmetrics-text; version=1.0.0"
    found["openmetrics"] = await got(metrics(registry), "/", accept=accept)
    return found


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("place", PLACES)
def test_names_are_text_wherever_they_come_out(
    place: str,
    kind: str,
    make_watch: MakeWatch,
    registry: CollectorRegistry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = HOSTILE[kind]
    watch = make_watch(slow_callback_duration=0.15, registry=registry, log=True)
    app = app_with(place, text, watch)
    label = text if place == "label" else "label"
    found = run_on("asyncio", told(watch, registry, app, label))
    watch.stop()
    found["log"] = caplog.text
    for name in TEXTS:
        assert all(safe(line) == line for line in found[name].split("\n")), name
        assert len(found[name]) < 40_000, name
    for name in JSON:
        json.dumps(json.loads(found[name]), ensure_ascii=False).encode()
    [record] = [r for r in caplog.records if r.message.startswith("GET ")]
    assert "\n" not in record.message
    assert all(
        line.rpartition(" ")[2].isdigit() for line in found["flamegraph.folded"].split("\n")[:-1]
    )
    values = {
        value
        for families in (prometheus(found["metrics"]), parsed(found["openmetrics"]))
        for family in families
        for sample in family.samples
        for value in sample.labels.values()
    }
    assert max(map(len, values)) <= LONGEST


def test_a_file_s_path_stays_as_it_is_where_json_escapes_it(make_watch: MakeWatch) -> None:
    watch = make_watch(slow_callback_duration=0.15)
    app = app_with("file", "a\x1bb", watch)
    run_on("asyncio", got(app, "/x"))
    [stall] = watch.stalls
    assert Path(stall.site.file).name == "a\x1bb.py"


def test_labels_that_only_their_ends_distinguish_share_a_row(make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        for number in range(3):
            await timed(asyncio.sleep(0), "A" * 50_000 + str(number))

    run_on("asyncio", main())
    [(name, histogram)] = watch.snapshot().timed
    assert (len(name), histogram.count) == (LONGEST, 3)


def test_an_accept_header_that_nobody_can_read_gets_the_usual_format(
    registry: CollectorRegistry,
) -> None:
    accept = "application/openmetrics-text; version=x"
    assert run_on("asyncio", got(metrics(registry), "/", accept=accept)) == ""
