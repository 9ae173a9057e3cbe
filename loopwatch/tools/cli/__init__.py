"""The commands: `loopwatch run`, `top`, `diagnose` and `grafana`."""
