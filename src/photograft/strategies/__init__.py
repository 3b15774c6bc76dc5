"""Ways to learn, one module each."""
