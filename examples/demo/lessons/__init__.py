"""One lesson a file: the same work, once so that it holds the event loop and once so that not."""
