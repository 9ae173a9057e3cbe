"""What runs on the event loop's own thread: it times steps and ticks, and finds who had to wait."""
