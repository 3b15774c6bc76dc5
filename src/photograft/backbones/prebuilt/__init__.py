"""The embedded networks, built from their weights without torch."""
