"""Code on the loop's own thread: it times steps and ticks, and finds which requests waited."""
