"""More looks at each photo, where they make a better classifier: which are tried, and kept."""
