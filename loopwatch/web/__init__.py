"""The parts for ASGI apps: the middleware, `/metrics`, the live page."""
