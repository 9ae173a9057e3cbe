"""A process that ends during a hold, or right after it, has told of it; its exit code stays."""

import pytest

from tests.conftest import run_script

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", ["daemon", "unclosed", "handler"])
def test_what_is_known_is_logged_before_the_process_ends(loop: str, how: str) -> None:
    """Though no second has passed: a loop's thread that is left behind, a loop that nobody closes,
    a signal handler that raises SystemExit."""
    printed = run_script(
        """
        import asyncio, atexit, logging, os, signal, sys, threading, time
        from loopwatch import Watch
        from tests.conftest import loop_factory

        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        loop, how = sys.argv[1:]
        watch = Watch(registry=None, otel=False)

        def leave(*_):
            atexit.register(lambda: print("handler ran"))
            sys.exit(0)

        async def main():
            watch.start()
            await asyncio.sleep(0.1)
            if how == "handler":
                signal.signal(signal.SIGTERM, leave)
                threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGTERM)).start()
            time.sleep(0.6 if how == "unclosed" else 30)

        def run():
            loop_factory(loop)().run_until_complete(main())

        if how == "daemon":
            threading.Thread(target=run, daemon=True).start()
            until = time.monotonic() + 10
            while not watch.in_progress and time.monotonic() < until:
                time.sleep(0.05)
        else:
            run()
        """,
        loop,
        how,
    )
    words = "has been holding the loop for" if how == "daemon" else "held the loop"
    [line] = [text for text in printed.splitlines() if words in text]
    assert "in __main__.main [blocking_call]" in line
    assert ("handler ran" in printed) == (how == "handler")


def test_a_stopped_watch_says_nothing_more(loop: str) -> None:
    printed = run_script(
        """
        import asyncio, logging, sys, time
        from loopwatch import Watch
        from tests.conftest import loop_factory

        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        watch = Watch(registry=None, otel=False)

        async def main():
            watch.start()
            time.sleep(0.3)
            await asyncio.sleep(0.1)
            watch.stop()
            time.sleep(0.3)

        loop_factory(sys.argv[1])().run_until_complete(main())
        """,
        loop,
    )
    assert len([text for text in printed.splitlines() if "held the loop" in text]) == 1
