"""The live page: what a watch has recorded, over HTTP, where the user mounts it."""

from loopwatch.web.page.app import page

__all__ = ["page"]
