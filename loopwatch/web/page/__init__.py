"""The live page: the data of a watch over HTTP, at the path where the user mounts it."""

from loopwatch.web.page.app import page

__all__ = ["page"]
