"""`import loopwatch`: what it loads, what it leaves out, and that nothing is imported later on.

Each script is a process of its own: here, everything has been imported long ago.
`benchmarks/importing.py` measures the time.
"""

import json

import pytest

from .conftest import run_script

NEEDED = "import prometheus_client, opentelemetry.trace, opentelemetry.metrics, asyncio"
ALLOWED = {  # of others, beyond what those load
    *("_ctypes", "ctypes", "sysconfig", "_queue", "queue", "concurrent", "glob", "array"),
    "prometheus_client",
}
LEFT_OUT = (  # and whatever is in them
    "loopwatch.__main__",
    "loopwatch.core.tails",
    "loopwatch.frameworks",
    "loopwatch.records",
    "loopwatch.tools",
    "loopwatch.watchdog.keep_alive",
    "loopwatch.watchdog.outside_process",
    "loopwatch.watchdog.outside_sampler",
    "loopwatch.watchdog.trace_permission",
    "loopwatch.exporters.http_server",
    "loopwatch.exporters.port",
    "loopwatch.web.metrics_app",
    "loopwatch.web.page",
)


def loaded_by(code: str, after: str) -> set[str]:
    """Return the names of the modules that code loads which `after` has not loaded."""
    printed = run_script(f"import json, sys\n{after}\nbefore = {{*sys.modules}}\n{code}\n" + PRINT)
    return {*json.loads(printed)}


PRINT = "print(json.dumps([*(sys.modules.keys() - before)]))"


def within(names: set[str], packages: tuple[str, ...]) -> set[str]:
    return {name for name in names if f"{name}.".startswith(tuple(f"{p}." for p in packages))}


def test_it_leaves_out_what_few_need() -> None:
    loaded = loaded_by("import loopwatch", NEEDED)
    assert "loopwatch.watch.watch" in loaded
    assert within(loaded, LEFT_OUT) == set()


def test_it_loads_little_of_the_standard_library() -> None:
    """And of its dependencies: no more than what they load themselves, and a handful."""
    loaded = {name.partition(".")[0] for name in loaded_by("import loopwatch", NEEDED)}
    others = {name for name in loaded if not name.startswith(("loopwatch", "_sysconfig"))}
    assert others - ALLOWED == set()


def test_the_twin_in_python_is_left_out_where_there_is_a_compiled_one() -> None:
    twins = ("loopwatch.loop.python_libuv", "loopwatch.loop.python_scheduled")
    loaded = loaded_by("import loopwatch", NEEDED)
    compiled = "loopwatch._speedups" in loaded
    assert within(loaded, twins) == (set() if compiled else {*twins})


@pytest.mark.parametrize(
    "code", ["from loopwatch import page", "from loopwatch import *", "loopwatch.page"]
)
def test_the_page_is_imported_where_it_is_named(code: str) -> None:
    loaded = loaded_by(code, "import loopwatch")
    assert "loopwatch.web.page.app" in loaded
    assert within(loaded, ("loopwatch.tools",)) == set()


@pytest.mark.parametrize("code", ["from loopwatch import metrics", "loopwatch.metrics"])
def test_the_metrics_app_is_imported_where_it_is_named(code: str) -> None:
    loaded = loaded_by(code, "import loopwatch")
    assert "loopwatch.web.metrics_app" in loaded
    assert within(loaded, ("loopwatch.tools", "loopwatch.web.page")) == set()


def test_a_name_is_there_before_it_is_imported() -> None:
    printed = run_script("""
        import loopwatch
        print("page" in vars(loopwatch), set(loopwatch.__all__) <= set(dir(loopwatch)))
        print(loopwatch.page is loopwatch.page, "page" in vars(loopwatch))
        try:
            loopwatch.pages
        except AttributeError as error:
            print(error)
    """)
    assert printed.splitlines() == [
        "False True",
        "True True",
        "module 'loopwatch' has no attribute 'pages'",
    ]


def test_nothing_is_imported_while_requests_run(loop: str) -> None:
    """From the watch's start until a stall is delivered, on no thread: to the log, to Prometheus
    and to an instrument. An import there would hold the loop, or want the GIL when the app does."""
    printed = run_script(
        """
        import asyncio, importlib, json, logging, sys, time
        from prometheus_client import CollectorRegistry
        from loopwatch import LoopWatchMiddleware, Watch
        from tests.asgi import visit
        from tests.conftest import loop_factory, until

        async def app(scope, receive, send):
            time.sleep(0.2)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        class Instrument:
            stalls = []
            def stalled(self, stall):
                self.stalls.append(stall)

        async def main():
            watch.start()
            asked.clear()
            await asyncio.gather(*(visit(front) for _ in range(3)))
            await until(lambda: len(Instrument.stalls) >= 3)
            watch.snapshot()
            imported.extend(asked)

        asked, imported = [], []
        logging.basicConfig()
        watch = Watch(registry=CollectorRegistry())
        watch.add_instrument(Instrument())
        front = LoopWatchMiddleware(app, watch=watch)
        runner = asyncio.Runner(loop_factory=loop_factory(sys.argv[1]))
        sys.addaudithook(lambda event, args: event == "import" and asked.append(args[0]))
        with runner:
            runner.run(main())
        watch.stop()
        print(json.dumps([imported, [stall.cause for stall in Instrument.stalls]]))
        """,
        loop,
    )
    imported, causes = json.loads(printed)
    assert imported == []
    assert causes == ["blocking_call"] * 3
