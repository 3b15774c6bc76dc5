"""A classifier as one graph that other programs run, and the proof that it answers the same."""
