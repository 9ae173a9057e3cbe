"""The slow service that an app under test asks: it answers late, and says when it did.

    python -m tests.victims.echo PORT

A line `NUMBER MS` is answered with `NUMBER` after so many milliseconds; each answer's number and
moment (`perf_counter`) is a line of output.
"""

import asyncio
import sys
import time

HOST = "127.0.0.1"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        number, ms = line.split()
        await asyncio.sleep(int(ms) / 1000)
        sent = time.perf_counter()
        writer.write(number + b"\n")
        print(number.decode(), sent, flush=True)
    writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(answer, HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
