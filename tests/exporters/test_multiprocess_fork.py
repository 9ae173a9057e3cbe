"""Forks in the mode of many processes: each counts its own, and none waits for a lock."""

from pathlib import Path

from ..conftest import run_script

FORKED = """
    import asyncio, os, sys, tempfile, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork with threads about
    from prometheus_client import CollectorRegistry, Counter
    from loopwatch import Watch
    from tests.conftest import run_on
    from tests.exporters.shared_folder import COUNT, summed
    from tests.exporters.life import some_life

    own = Counter("mine", "Mine.")
    watch = Watch(registry=CollectorRegistry(), otel=False, log=False)

    async def main():
        await some_life(watch)
        watch._exporters.flush()
        children = []
        for _ in range(20):  # while the watchdog's thread writes
            threading.Thread(target=watch._exporters.flush).start()
            pid = os.fork()
            if pid == 0:
                own.inc()  # would wait for ever for a lock that was held
                os._exit(0)
            children.append(pid)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 20
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)
            run_on("asyncio", some_life(watch))
            watch.stop()
            os._exit(0)
        await asyncio.to_thread(os.waitpid, pid, 0)

    run_on("asyncio", main())
    watch.stop()
    scrape = summed(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    print(scrape.total(COUNT, route="/life"))
    print(scrape.value("mine_total"), scrape.value("loopwatch_tasks"))
"""


def test_a_fork_counts_its_own_and_never_waits_for_a_lock(tmp_path: Path) -> None:
    printed = run_script(FORKED, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert printed.split() == ["4.0", "20.0", "0.0"]
