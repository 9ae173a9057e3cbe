"""Where stalls and snapshots go."""
