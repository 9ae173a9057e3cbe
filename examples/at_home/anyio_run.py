"""`anyio.run`, with tasks of a task group; on anyio's asyncio backend.

python examples/at_home/anyio_run.py
"""

import sys
import time

try:
    import anyio
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install anyio", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch


async def fetch(name: str) -> None:
    await anyio.sleep(0.1)
    await store(name)


async def store(name: str) -> None:
    if name == "big":
        time.sleep(0.5)  # blocks


async def main() -> None:
    async with anyio.create_task_group() as group:
        for name in ("small", "big", "other"):
            group.start_soon(fetch, name)


if __name__ == "__main__":
    with Watch() as watch:
        anyio.run(main)
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   __main__.fetch held the loop for 0.5 s
#       in __main__.store, line 25: time.sleep(0.5)
