"""What a busy time and its looks say: the line, the cause, or that it was no stall."""

from pathlib import Path

import pytest

from loopwatch.core.record_types import Stall
from loopwatch.tools.attach.busy_time import BusyTime, Look
from loopwatch.tools.attach.file_names import Files
from loopwatch.tools.attach.loop_stack import ThreadStack, thread_stacks
from loopwatch.tools.attach.outside_stall import MANY_STEPS, UNSEEN, stall
from loopwatch.tools.attach.process_tree import Usage

from .fake_proc import IDLE, INSTALLED, STDLIB, FakeProc, busy, thread

APP = """\
import time

async def handler(request):
    work(request)

def work(request):
    time.sleep(0.3)
    compute()
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "views.py").write_text(APP)
    return folder / "views.py"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    proc = FakeProc(tmp_path)
    proc.process(100)
    return Files(proc.tree, 100)


def stack(frames: list[tuple[str, str, int]], gil: bool = False, name: str = "x") -> ThreadStack:
    [found] = thread_stacks([thread(frames, gil=gil, name=name)])
    return found


def made(*looks: Look, still: bool = False, cpu: float = 0.0, queued: float = 0.0) -> BusyTime:
    return BusyTime(
        started=10.0,
        ended=10.3,
        readings=60,
        same=58 if still else 2,
        usage=Usage(cpu, queued),
        looks=[*looks],
    )


def judged(found: BusyTime, files: Files) -> Stall:
    one, why = stall(found, files, 0, "100/100 MainThread", 1000.0)
    assert one is not None, why
    return one


def look(app: Path, line: int = 7, *inner: tuple[str, str, int]) -> Look:
    return Look(10.1, stack(busy(app, *inner, ("work", str(app), line))), None)


def test_one_look_names_the_line_of_a_call_that_lasts(app: Path, files: Files) -> None:
    found = judged(made(look(app), still=True), files)
    assert (found.site.function, found.site.file, found.site.line) == (
        "shop.views.work",
        str(app),
        7,
    )
    assert found.site.code == "time.sleep(0.3)"
    assert found.site.exact
    assert found.cause == "blocking_call"
    assert found.coroutine == "shop.views.handler"
    assert "asyncio.sleep" in found.advice
    assert found.started_at == 1010.0
    assert found.duration == pytest.approx(0.3)
    assert (found.route, found.victims) == (None, 0)
    assert found.stack[-1].line == 7


def test_library_frames_are_not_named(app: Path, files: Files) -> None:
    inner = (
        ("poll", f"{STDLIB}/selectors.py", 415),
        ("Client.get", f"{INSTALLED}/httpx/_client.py", 20),
    )
    found = judged(made(look(app, 7, *inner), still=True), files)
    assert found.site.function == "shop.views.work"
    assert found.stack[-1].function == "selectors.poll"


def test_two_looks_that_agree_are_a_stall_on_the_cpu(app: Path, files: Files) -> None:
    found = judged(made(look(app, 7), look(app, 8), look(app, 8), cpu=0.28), files)
    assert found.cause == "cpu"
    assert (found.site.line, found.site.exact) == (8, False)
    again = judged(made(look(app, 8), look(app, 8), cpu=0.28), files)
    assert again.site.exact


def test_one_look_is_not_enough_on_the_cpu(app: Path, files: Files) -> None:
    assert stall(made(look(app), cpu=0.28), files, 0, "", 0.0) == (None, UNSEEN)
    assert stall(made(), files, 0, "", 0.0) == (None, UNSEEN)


def test_many_short_steps_are_no_stall(app: Path, files: Files) -> None:
    others = [
        Look(10.1, stack(busy(app, (name, str(app), 7))), None) for name in ("one", "two", "three")
    ]
    assert stall(made(*others, cpu=0.28), files, 0, "", 0.0) == (None, MANY_STEPS)
    callers = [Look(10.1, stack([("work", str(app), 7), *busy(app)[1:]]), None), look(app)]
    assert stall(made(*callers, cpu=0.28), files, 0, "", 0.0) == (None, MANY_STEPS)


def test_a_stack_of_the_idle_loop_says_nothing(app: Path, files: Files) -> None:
    idle = Look(10.2, stack(IDLE), None)
    assert stall(made(idle, idle), files, 0, "", 0.0) == (None, UNSEEN)
    assert judged(made(look(app), look(app), idle, cpu=0.28), files).site.line == 7


def test_without_a_cpu_it_starved(app: Path, files: Files) -> None:
    assert judged(made(look(app), look(app), queued=0.2), files).cause == "starved"
    stopped = made(look(app), still=True)
    stopped.stopped = 58
    assert judged(stopped, files).cause == "starved"


def test_an_import_is_told_by_its_frames(app: Path, files: Files) -> None:
    inner = ("_find_and_load", "<frozen importlib._bootstrap>", 1360)
    assert judged(made(look(app, 7, inner), look(app, 7, inner), cpu=0.28), files).cause == "import"


def test_another_thread_with_the_gil_is_named(app: Path, files: Files) -> None:
    holder = stack([("compute", str(app), 8)], gil=True, name="worker_0")
    looks = [Look(10.1, look(app).mine, holder) for _ in range(2)]
    found = judged(made(*looks, cpu=0.01), files)
    assert found.cause == "gil_contention"
    assert [h.thread for h in found.gil_holders] == ["worker_0"]
    assert found.site.function == "shop.views.compute"


def test_middleware_outside_the_router_is_not_named(tmp_path: Path, files: Files) -> None:
    router = tmp_path / "lib/python3.13/site-packages/starlette/routing.py"
    router.parent.mkdir(parents=True)
    router.write_text("async def app(scope):\n    await handler()\n")
    middleware = tmp_path / "middleware.py"
    middleware.write_text("async def outer():\n    await app()\n")
    frames = [
        ("render", f"{INSTALLED}/jinja2/environment.py", 5),
        ("app", str(router), 2),
        ("outer", str(middleware), 2),
        *busy(middleware)[1:],
    ]
    both = [Look(10.1, stack(frames), None)] * 2
    assert judged(made(*both, cpu=0.28), files).site.function != "middleware.outer"


def test_without_the_loops_frames_those_of_the_idle_loop_are_left_out(
    app: Path, files: Files
) -> None:
    below = [("main", str(app), 9), ("<module>", str(app), 10)]
    looked = Look(10.1, stack([("work", str(app), 7), *below]), None)
    one, _ = stall(made(looked, still=True), files, 2, "", 0.0)
    assert one is not None
    assert [frame.line for frame in one.stack] == [7]
    idle = Look(10.1, stack(below), None)
    assert stall(made(idle, still=True), files, 2, "", 0.0) == (None, UNSEEN)
