"""Tries an installed loopwatch, in an environment that has nothing but its dependencies.

    python try_wheel.py [--compiled | --python] [WHEEL]

Run it away from the checkout, so that what has been installed is what is imported. `--compiled`
wants the C extension, `--python` wants none. It needs no pytest and no network.
"""

import argparse
import asyncio
import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile
import time

import loopwatch
import loopwatch.loop.step_timing
from loopwatch.web.page.html_page import HTML

HOME = pathlib.Path(loopwatch.__file__).parent
HOLD = 0.5  # s that the loop is held, five times the default threshold
EXTRAS = {"diagnose", "native", "otel", "pytest", "report", "run", "top"}
SHIPPED = (
    "py.typed",
    "startup/hook/sitecustomize.py",
    "tools/diagnose/report.css",
    "tools/diagnose/report.html.j2",
    "tools/diagnose/report.schema.json",
    "tools/testing/findings.schema.json",
)
SCRIPT = f"""
import asyncio, time

async def main():
    time.sleep({HOLD})

asyncio.run(main())
"""


def check_files() -> None:
    assert HOME.is_relative_to(sys.prefix), f"imported from {HOME}, not from the wheel"
    for name in SHIPPED:
        assert (HOME / name).is_file(), f"{name} is missing from the wheel"
    assert "function poll" in HTML, "the page is not whole in the wheel"
    dashboards = {path.name for path in HOME.glob("tools/grafana/dashboards/*.json")}
    assert len(dashboards) == 2, f"the wheel must hold two dashboards, has {dashboards}"
    assert not [*HOME.rglob("*.c"), *HOME.rglob("*.h")], "the wheel holds C source"


def check_metadata() -> None:
    told = importlib.metadata.metadata("loopwatch")
    assert told["Version"] == loopwatch.__version__, f"{told['Version']} is not the package's"
    extras = {*(told.get_all("Provides-Extra") or ())}
    assert extras >= EXTRAS, f"extras are missing: {EXTRAS - extras}"
    for name in loopwatch.__all__:
        assert hasattr(loopwatch, name), f"loopwatch.{name} is missing"


def check_stall() -> None:
    """A blocked loop has its line, also where the package has no C extension."""

    async def main() -> None:
        time.sleep(HOLD)  # noqa: ASYNC251
        await asyncio.sleep(0.05)

    with loopwatch.Watch(log=False) as watch:
        asyncio.run(main())
    [stall] = watch.stalls
    assert HOLD <= stall.duration < HOLD + 5, f"a block of {HOLD} s was told as {stall.duration}"
    assert stall.site.function.endswith("check_stall.<locals>.main"), stall.site
    assert stall.site.code == "time.sleep(HOLD)", stall.site
    assert stall.cause == "blocking_call", stall.cause


def command(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loopwatch", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def check_commands() -> None:
    """What needs no extra works; what needs one says so in one line."""
    done = command("--version")
    assert done.stdout == f"loopwatch {loopwatch.__version__}\n", done
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, "script.py")
        script.write_text(SCRIPT, encoding="utf-8")
        done = command("run", "--admin-port", "0", "--", sys.executable, str(script))
        assert done.returncode == 0, done
        assert "1 stall held a loop" in done.stderr, done
        done = command("grafana", str(pathlib.Path(folder, "dashboards")))
        assert done.returncode == 0, done
    for words, extra in (
        (("run", "main:app"), "run"),
        (("top", "http://127.0.0.1:1"), "top"),
        (("diagnose", "main:app", "--get", "/"), "diagnose"),
    ):
        done = command(*words)
        assert done.returncode == 2, done
        assert done.stderr.endswith(f"pip install 'loopwatch[{extra}]'\n"), done


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--compiled", action="store_true")
    options.add_argument("--python", action="store_true")
    options.add_argument("wheel", nargs="?", default="loopwatch")
    given = options.parse_args()
    compiled = loopwatch.loop.step_timing.COMPILED
    assert compiled or not given.compiled, "the C extension must be in this wheel, and is not"
    assert not (compiled and given.python), "there must be no C extension, and there is one"
    for check in (check_files, check_metadata, check_stall, check_commands):
        check()
    twin = "compiled" if compiled else "Python"
    print(
        f"{pathlib.Path(given.wheel).name}: Python {sys.version.split()[0]}, imports, is typed, "
        f"version {loopwatch.__version__}, {twin} twin, names a blocked line, commands work"
    )


if __name__ == "__main__":
    main()
