"""A bot that polls, here python-telegram-bot. A stand-in on 127.0.0.1 answers in place of Telegram.

    python examples/at_home/telegram_bot.py

While one command blocks, the bot hears nobody.
"""

import json
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

try:
    from telegram import Update
    from telegram.ext import Application, CommandHandler, ContextTypes
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install python-telegram-bot", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch

BOT = {"id": 1, "is_bot": True, "first_name": "Shop", "username": "shop_bot"}
CHAT = {"id": 7, "type": "private"}
USER = {"id": 7, "is_bot": False, "first_name": "Ada"}
COMMAND = {"type": "bot_command", "offset": 0, "length": 7}
MESSAGE = {"message_id": 1, "date": 0, "chat": CHAT}
ASKED = MESSAGE | {"from": USER, "text": "/report", "entities": [COMMAND]}


class StandIn(BaseHTTPRequestHandler):
    """Has one update: Ada asks for a report."""

    protocol_version = "HTTP/1.1"
    updates: ClassVar = [{"update_id": 1, "message": ASKED}]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"ok": True, "result": self.result()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # it has hung up on a long poll
            self.wfile.write(body)

    def result(self) -> object:
        method = self.path.rpartition("/")[2]
        if method == "getUpdates":
            if not self.updates:
                time.sleep(0.1)  # a long poll
            found, self.updates[:] = self.updates[:], []
            return found
        return {"getMe": BOT, "sendMessage": MESSAGE}.get(method, True)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def report(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    assert update.message
    await update.message.reply_text(compute())
    context.application.stop_running()


def compute() -> str:
    time.sleep(0.5)  # blocks
    return "your report"


def main(port: int) -> None:
    builder = Application.builder().token("1:none").base_url(f"http://127.0.0.1:{port}/bot")
    bot: Any = builder.build()
    bot.add_handler(CommandHandler("report", report))
    bot.run_polling()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with Watch(slow_callback_duration=0.3) as watch:
            main(server.server_port)
        server.shutdown()
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   __main__.report held the loop for 0.5 s
#       in __main__.compute, line 68: time.sleep(0.5)
