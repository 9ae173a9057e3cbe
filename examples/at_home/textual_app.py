"""A Textual app: one key blocks, and the screen stands still. It runs without a terminal here.

    python examples/at_home/textual_app.py

A watch around `run()` is enough. Its log would be written over the screen: use a file, or
`log=False`.
"""

import sys
import time
from typing import ClassVar

try:
    from textual.app import App, ComposeResult
    from textual.pilot import Pilot
    from textual.widgets import Label
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install textual", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch


class Shop(App[str]):
    BINDINGS: ClassVar = [("r", "report", "write a report")]

    def compose(self) -> ComposeResult:
        yield Label("r: report")

    async def action_report(self) -> None:
        self.exit(self.render_report())

    def render_report(self) -> str:
        time.sleep(0.5)  # blocks
        return "a report"


async def press(pilot: Pilot[object]) -> None:
    """Stand in for a user."""
    await pilot.press("r")


if __name__ == "__main__":
    with Watch(slow_callback_duration=0.3, log=False) as watch:
        print(Shop().run(headless=True, auto_pilot=press))
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   a report
#   __main__.Shop.action_report held the loop for 0.5 s
#       in __main__.Shop.render_report, line 34: time.sleep(0.5)
