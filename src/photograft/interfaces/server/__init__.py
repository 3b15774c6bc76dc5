"""The HTTP server: what it takes, what it refuses, and how it answers."""
