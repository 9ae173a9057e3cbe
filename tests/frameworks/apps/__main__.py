"""Serves one of these apps: `python -m tests.frameworks.apps aiohttp_app`."""

import importlib
import sys

importlib.import_module(f"tests.frameworks.apps.{sys.argv[1]}").run()
