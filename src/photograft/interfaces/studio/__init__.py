"""The studio: a local page for people who do not write commands."""
