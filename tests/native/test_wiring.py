"""The compiled twin alone, before Python has told it what it needs."""

import pytest

from ..conftest import run_script
from .made import speedups

if speedups is None:
    pytest.skip("the compiled twin was not built", allow_module_level=True)


def test_nothing_works_before_it_was_wired() -> None:
    """Whatever needs the wiring says so; numbers can be made and read."""
    printed = run_script(
        """
        import sys
        from importlib.machinery import ExtensionFileLoader
        from importlib.util import module_from_spec, spec_from_loader

        loader = ExtensionFileLoader("loopwatch._speedups", sys.argv[1])
        twin = module_from_spec(spec_from_loader("loopwatch._speedups", loader))
        loader.exec_module(twin)
        state, request, row = twin.LoopStateNumbers(), twin.Request(), twin.RowNumbers()
        row.steps = twin.StepNumbers()

        def refusal(function, *arguments):
            try:
                return function(*arguments)
            except (RuntimeError, TypeError) as error:
                return f"{type(error).__name__}: {error}"

        remembered = (None, None, state, {}, None, print)
        print(refusal(twin.begin, None, {}))
        print(refusal(twin.begin))
        print(refusal(twin.answering, state, request, None, print, None, None))
        print(refusal(twin.timed_run, print, {}, False))
        print(refusal(twin.timed_select, state, print, None))
        print(refusal(twin.timed_soon, state, print, 0))
        print(refusal(twin.LibuvPoll, state, 1, tuple(range(1, 11)), 200, 200))
        print(refusal(twin.Middleware().remember, *remembered))
        print(refusal(twin.wire_ledger, ()))
        print(refusal(twin.add_request, row, request, 1.0, 0.0), row.counts, state.tick_counts)
        state.count_tick(1.0)
        row.steps.add(1.0)
        """,
        speedups.__file__,
    ).splitlines()
    first = "RuntimeError: loopwatch.loop.step_timing must be imported first"
    assert printed == [
        "RuntimeError: loopwatch.core.request must be imported first",
        "TypeError: begin takes the middleware and the scope",
        *[first] * 6,
        "TypeError: edges must be a tuple of 1 to 16, got ()",
        "None (1,) (0,)",
    ]


def test_only_the_main_interpreter_has_the_compiled_twin() -> None:
    """A legacy subinterpreter takes the Python way, and its end takes nothing from the others."""
    printed = run_script("""
        import sys
        try:
            import _xxsubinterpreters as interpreters
            other = interpreters.create(isolated=False)
        except ImportError:
            import _interpreters as interpreters
            other = interpreters.create("legacy")
        code = "import sys; sys.path[:0] = %r; from loopwatch.core import speedups as s; "
        code += "print(s.speedups)"
        run = getattr(interpreters, "run_string", None) or interpreters.exec
        run(other, code % (sys.path,))
        interpreters.destroy(other)
        import loopwatch.core.speedups as twin
        print(twin.speedups is not None)
    """)
    assert printed.split() == ["None", "True"]


def test_an_isolated_subinterpreter_runs_its_loop_unwatched() -> None:
    """It may have no such threads, and before Python 3.13 no ctypes; one sentence says so. Its end
    is left out: with asyncio alone, Python 3.12 aborts there."""
    printed = run_script("""
        import os, sys, textwrap
        try:
            import _xxsubinterpreters as interpreters
            other = interpreters.create(isolated=True)
        except ImportError:
            import _interpreters as interpreters
            other = interpreters.create("isolated")
        code = '''
        import sys
        sys.path[:0] = %r
        import asyncio, logging
        logging.basicConfig(stream=sys.stdout, format="%%(message)s")
        from loopwatch import Watch, page
        with Watch(registry=None):
            asyncio.run(asyncio.sleep(0.01))
        print("ran")
        '''
        run = getattr(interpreters, "run_string", None) or interpreters.exec
        failed = run(other, textwrap.dedent(code) % (sys.path,))
        if failed is not None:
            print(failed)
        sys.stdout.flush()
        os._exit(0)
    """)
    said, *ran = printed.splitlines()
    assert said.startswith("loopwatch cannot watch this loop, which runs as before: ")
    assert said.endswith(("(sub)interpreter", "subinterpreters"))
    assert ran == ["ran"]


@pytest.mark.parametrize("compiled", [True, False])
def test_an_interpreter_without_ctypes_watches_asyncio(compiled: bool) -> None:
    """An isolated subinterpreter of 3.12 is one; uvloop cannot be there either."""
    printed = run_script(
        """
        import sys
        sys.modules["ctypes"] = sys.modules["_ctypes"] = None
        if sys.argv[1] == "False":
            sys.modules["loopwatch._speedups"] = None
        import asyncio, time
        from loopwatch import Watch

        async def main():
            await asyncio.sleep(0.05)
            time.sleep(0.3)

        with Watch(registry=None, log=False, otel=False) as watch:
            asyncio.run(main())
        print(*(stall.site.function for stall in watch.stalls))
        """,
        str(compiled),
    )
    assert printed.split() == ["__main__.main"]
