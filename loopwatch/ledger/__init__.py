"""What is counted: bounded tables by label, no I/O, no clock."""
