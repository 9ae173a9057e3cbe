"""What frameworks that are no ASGI apps call: a module for each, which only its users import."""
