"""One file a command: its help text, its options, and the one call that does the work."""
