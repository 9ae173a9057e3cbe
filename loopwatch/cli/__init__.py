"""The commands: `loopwatch run`."""
