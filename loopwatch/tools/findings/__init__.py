"""Culprits as findings of a tool: their stable ids, SARIF files and annotations on GitHub."""
