"""Telling an experiment tracker of the epochs and the outcome of a training."""
