"""The watch: which loops are watched, what becomes of their stalls, and the snapshot of it all."""
