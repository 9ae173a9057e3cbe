"""The demo: a FastAPI app with mistakes that block the event loop, each with a good twin."""
