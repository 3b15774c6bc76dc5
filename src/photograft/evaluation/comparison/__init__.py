"""Comparing candidates by cross-validation, within a budget of time."""
