"""The watch of a program that knows nothing of loopwatch: from the start of Python to its exit."""
