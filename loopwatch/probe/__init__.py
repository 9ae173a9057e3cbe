"""How a loop is watched: who holds it, since when, and a photograph of it."""
