"""What a person runs: the command line, the diagnosis of a load test, Grafana's files."""
