"""The plugin as people use it: what it watches, whom it blames, and when it keeps out."""

import pytest

from tests.conftest import CHECKOUT
from tests.tools.testing.suites import Suite

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow  # a process each

HELD = """
import asyncio, time
import pytest

@pytest.mark.anyio
async def test_held():
    time.sleep(0.4)
"""
IMPORTED = """
import sys

def test_nothing_is_imported():
    assert not [name for name in sys.modules if name.split(".")[0] == "loopwatch"]
"""
KINDS = """
import asyncio, time, threading, unittest
import pytest
from loopwatch import Watch

pytestmark = pytest.mark.anyio
HOLD = 0.4

@pytest.fixture
async def slow():
    time.sleep(HOLD)
    yield 1
    time.sleep(HOLD)

@pytest.fixture
def asked_for_late():
    time.sleep(HOLD)

async def test_fixture_is_slow(slow):
    await asyncio.sleep(0.01)

async def test_fixture_is_slow_within(request):
    request.getfixturevalue("asked_for_late")

@pytest.mark.loopwatch(False)
async def test_excused():
    time.sleep(HOLD)

@pytest.mark.loopwatch(slow_callback_duration=30)
async def test_patient():
    time.sleep(HOLD)

@pytest.mark.loopwatch(allow=["test_kinds.allowed"])
async def test_allowed():
    allowed()

def allowed():
    time.sleep(HOLD)

def test_synchronous():
    asyncio.run(asyncio.sleep(0))
    time.sleep(HOLD)

@pytest.mark.loopwatch(False)
async def test_sees_stalls(loopwatch):
    time.sleep(HOLD)
    await asyncio.sleep(0)
    (stall,) = loopwatch.stalls
    assert stall.site.function == "test_kinds.test_sees_stalls"
    assert stall.duration >= HOLD

async def test_sees_none(loopwatch):
    await asyncio.sleep(0.01)
    assert loopwatch.stalls == ()

async def test_has_a_watch_of_its_own():
    watch = Watch(registry=None, log=False, otel=False)
    watch.start()
    watch.stop()

class TestCase(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        time.sleep(HOLD)

    async def asyncSetUp(self):
        time.sleep(HOLD)

    async def asyncTearDown(self):
        time.sleep(HOLD)

    async def test_setup_is_slow(self):
        await asyncio.sleep(0.01)
"""
BLAMED = """
import asyncio, time, unittest
import pytest
from loopwatch import Watch

HOLD = 0.4

@pytest.mark.anyio
async def test_failing_anyway():
    time.sleep(HOLD)
    assert "own" == "failure"

@pytest.mark.anyio
async def test_watched_otherwise():
    with Watch(registry=None, log=False, otel=False):
        await asyncio.sleep(0)
        time.sleep(HOLD)
        await asyncio.sleep(0)

@pytest.mark.anyio
@pytest.mark.xfail(strict=True)
async def test_expected():
    time.sleep(HOLD)

class TestCase(unittest.IsolatedAsyncioTestCase):
    async def test_failing_case(self):
        time.sleep(HOLD)
        self.fail("own")

@pytest.mark.loopwatch
def test_marked_and_synchronous():
    asyncio.run(main())

async def main():
    time.sleep(HOLD)
"""


def test_it_is_off_and_unimported_until_asked(suite: Suite) -> None:
    suite.write(test_held=HELD, test_imported=IMPORTED)
    suite.run("-p", "no:pytester").assert_outcomes(passed=2)


def test_a_failure_reads_like_that_of_an_assertion(suite: Suite) -> None:
    suite.write(test_held=HELD)
    result = suite.run("--loopwatch", "test_held.py")  # the path is no number of seconds
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            "    async def test_held",
            r">       time.sleep\(0.4\)",
            r"E       LoopStalled: test_held.py:6 held the event loop for 0\.\d+ s",
            r"E         time.sleep\(0.4\)",
            "E         blocking call; .* less than 0.1 s",
            "E         Use await asyncio.sleep.*",
            "test_held.py:6: LoopStalled",
            ".*what held the event loop.*",
            r".*1 time  test_held.py:6  test_held.test_held  blocking call  failed  test_held.py.*",
            "FAILED test_held.py::test_held.* - LoopStalled: test_held.py:6 held the event loop.*",
        ]
    )


def test_what_is_not_its_own_call_is_not_the_tests(suite: Suite, loop: str) -> None:
    suite.loop(loop)
    suite.write(test_kinds=KINDS)
    result = suite.run("--loopwatch")
    assert set(result.parseoutcomes()) == {"passed"}


def test_it_is_told_beside_a_failure_of_the_tests_own(suite: Suite) -> None:
    suite.write(test_blamed=BLAMED)
    result = suite.run("--loopwatch", "-rx")
    result.assert_outcomes(failed=4, xfailed=1)
    output = result.stdout.str()
    assert output.count("Captured loopwatch call") == 2
    assert "AssertionError: own" in output
    for name in ("test_watched_otherwise", "test_marked_and_synchronous"):
        assert f"{name}" in output
    assert output.count("LoopStalled: test_blamed.py:") >= 2


@pytest.mark.parametrize(
    ("arguments", "failed"),
    [
        (("--loopwatch=off",), 0),
        (("--loopwatch", "30", "."), 0),
        (("--loopwatch", "--pdb"), 0),
        (("--loopwatch-allow", "test_held.*", "--loopwatch"), 0),
        (("-o", "loopwatch=0.1"), 1),
        (("--loopwatch-sarif", "found.sarif"), 1),
    ],
)
def test_options(suite: Suite, arguments: tuple[str, ...], failed: int) -> None:
    suite.write(test_held=HELD)
    suite.run(*arguments).assert_outcomes(failed=failed, passed=1 - failed)


@pytest.mark.parametrize(
    ("arguments", "mark", "words"),
    [
        (("--loopwatch=soon",), "", "a number of seconds above 0, got 'soon'"),
        (("--loopwatch=0",), "", "a number of seconds above 0, got '0'"),
        (("--loopwatch=",), "", "a number of seconds above 0, got ''"),
        (("--loopwatch-update-baseline",), "", "must come with --loopwatch-baseline"),
        (("--loopwatch", "--loopwatch-baseline", "none.json"), "", "must be a file, got "),
        (("--loopwatch", "--loopwatch-allow", "a/b.py"), "", "patterns of module.qualname"),
        ((), "(slow_callback_duration='long')", "must be a number of seconds, got 'long'"),
        ((), "(limit=1)", "must have slow_callback_duration and allow, got limit=1"),
        ((), "(allow='shop.*')", "must be a tuple"),
    ],
)
def test_what_cannot_be_is_refused(
    suite: Suite, arguments: tuple[str, ...], mark: str, words: str
) -> None:
    suite.write(
        test_it=f"import pytest\n\n@pytest.mark.loopwatch{mark}\ndef test_it():\n    pass\n"
    )
    result = suite.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stdout.str() + result.stderr.str()


def test_known_places_do_not_fail_and_new_ones_do(suite: Suite) -> None:
    suite.write(test_held=HELD)
    baseline = ("--loopwatch", "--loopwatch-baseline", "known.json")
    suite.run(*baseline, "--loopwatch-update-baseline").assert_outcomes(passed=1)
    (entry,) = suite.json("known.json")["culprits"]
    assert (entry["place"], entry["route"]) == ("test_held.test_held", None)
    suite.write(test_held="\n# moved\n" + HELD, test_new=HELD.replace("test_held", "test_new"))
    result = suite.run(*baseline, "--loopwatch-json", "found.json")
    result.assert_outcomes(passed=1, failed=1)
    levels = {f["site"]: (f["level"], f["known"]) for f in suite.json()["findings"]}
    assert levels["test_held.test_held"] == ("note", True)
    assert levels["test_new.test_new"] == ("error", False)


def test_annotations_stand_at_the_line(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.write(test_held=HELD)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.pytester.path.parent))
    result = suite.run("--loopwatch")
    place = f"{suite.pytester.path.name}/test_held.py"
    assert f"::error file={place},line=6,title=loopwatch%3A blocking call::" in result.stdout.str()


def test_workers_of_xdist_tell_of_marked_tests(suite: Suite) -> None:
    suite.write(test_held=HELD.replace("@pytest", "@pytest.mark.loopwatch\n@pytest", 1))
    result = suite.run("-n", "1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*what held the event loop*", "*test_held.py:7*failed*"])


def test_pytest_asyncio(suite: Suite) -> None:
    pytest.importorskip("pytest_asyncio")
    source = (
        HELD.replace("anyio", "asyncio")
        + "\n\n@pytest.mark.asyncio\nasync def test_good():\n    pass\n"
    )
    suite.write(test_held=source)
    suite.pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    suite.run("--loopwatch").assert_outcomes(failed=1, passed=1)


def test_the_checkout_is_what_is_tested() -> None:
    import pytest_loopwatch

    assert pytest_loopwatch.__file__ == str(CHECKOUT / "pytest_loopwatch.py")
