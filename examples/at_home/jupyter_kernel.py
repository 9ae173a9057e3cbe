"""Jupyter: a watch within a notebook, here of three cells that a real kernel runs.

    python examples/at_home/jupyter_kernel.py

The kernel's loop runs the cells. A cell that blocks holds it, and with it each task that another
cell has started: here a ticker that should tick every 10 ms.
A coroutine that a cell awaits is named `<module>`: it is the cell's own.
"""

import sys

try:
    from jupyter_client.manager import start_new_kernel
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install ipykernel", file=sys.stderr)
    sys.exit(2)

CELLS = [
    """\
import asyncio, time
from loopwatch import Watch

async def tick():
    while True:
        await asyncio.sleep(0.01)

watch = Watch(log=False)
watch.start()
ticker = asyncio.create_task(tick())""",
    """\
def crunch():
    time.sleep(0.5)  # blocks

async def analyse():
    await asyncio.sleep(0.05)
    crunch()

await analyse()""",
    """\
watch.stop()
ticker.cancel()
stall = max(watch.stalls, key=lambda stall: stall.duration)
print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")""",
]


def main() -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for cell in CELLS:
            client.execute_interactive(cell, timeout=60, output_hook=show)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def show(message: dict[str, object]) -> None:
    content = message["content"]
    assert isinstance(content, dict)
    for text in (content.get("text"), "\n".join(content.get("traceback", []))):
        if text:
            print(text, end="")


if __name__ == "__main__":
    main()

# Expected output:
#
#   __main__.<module> held the loop for 0.5 s
#       in __main__.crunch, line 2: time.sleep(0.5)
