"""What both twins must do, tried once more without the compiled one, in a process of its own."""

import pytest

from tests.conftest import CHECKOUT, run_script

SHORT = (
    *("loop/test_step_timing.py", "loop/test_loop_state.py", "loop/test_response.py"),
    *("loop/test_wrapped_hooks.py", "test_request_in_process.py", "core/test_gil_turns.py"),
)
LONG = ("loop/test_loops.py", "loop/test_uvloop_loop.py", "web/test_middleware.py")
BOTH = [*SHORT, *(pytest.param(file, marks=pytest.mark.slow) for file in LONG)]


@pytest.mark.parametrize("file", BOTH)
def test_the_twin_in_python_does_the_same(file: str) -> None:
    printed = run_script(
        """
        import os, sys
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        sys.modules["loopwatch._speedups"] = None
        import pytest
        from loopwatch.loop.step_timing import COMPILED
        assert not COMPILED
        status = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
        assert status == 0, status
        """,
        *("-k", "not twin", str(CHECKOUT / "tests" / file)),
    )
    assert " passed" in printed
    assert " failed" not in printed
