"""Lesson 1: one line names the call that holds the event loop.

Run it, ask for /report, and see one WARNING in the log:

    uvicorn --app-dir examples 01_one_line:app
    curl http://127.0.0.1:8000/report
"""

import time

from fastapi import FastAPI

from loopwatch import LoopWatchMiddleware

app = FastAPI()
app.add_middleware(LoopWatchMiddleware)  # the line


@app.get("/report")
async def report() -> dict[str, str]:
    time.sleep(0.2)
    return {"report": "late"}


# Expected output, among uvicorn's own, and after it the cause and what to do:
#
#   GET /report held the loop 0.200 s at .../01_one_line.py:21 time.sleep(0.2) in 01_one_line.report
