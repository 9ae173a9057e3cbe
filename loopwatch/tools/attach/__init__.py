"""A process that runs already, looked at from outside."""
