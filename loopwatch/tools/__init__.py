"""The tools: the command line, the diagnosis of a load test, the files for Grafana."""
