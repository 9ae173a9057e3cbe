"""The records and the arithmetic that every other room uses: no loop, no thread, no I/O."""
