"""The commands: `loopwatch run`, `loopwatch diagnose`."""
