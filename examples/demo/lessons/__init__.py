"""One lesson in each file: the same work, once holding the event loop and once not."""
