"""A program that knows nothing of loopwatch: `python script.py [seconds to wait] [exit code]`."""

import asyncio
import sys
import time


async def main() -> None:
    time.sleep(0.6)
    print("up", flush=True)
    await asyncio.sleep(float(sys.argv[1]))


asyncio.run(main())
sys.stdout.buffer.write(bytes(range(256)))
sys.exit(int(sys.argv[2]))
