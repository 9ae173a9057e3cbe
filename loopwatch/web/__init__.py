"""What an ASGI app mounts or wraps: the middleware, `/metrics`, the live page."""
