"""Code on the watchdog thread: it notices that a loop is held, and samples its stack."""
