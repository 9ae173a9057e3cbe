"""What is counted: arithmetic only, no I/O, no clock."""
