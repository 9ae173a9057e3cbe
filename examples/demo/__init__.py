"""The demo: a FastAPI app in which every mistake that blocks the event loop has a good twin."""
