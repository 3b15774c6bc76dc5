"""Accuracy by number of photos, measured on growing subsets and extrapolated."""
