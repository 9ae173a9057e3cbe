"""What frameworks that are no ASGI apps call: one module for each, none of which is imported unasked."""
