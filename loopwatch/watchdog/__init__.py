"""What runs on loopwatch's own thread: it notices that a loop is held, and samples its stack."""
