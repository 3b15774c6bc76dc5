"""Answering many at once: classifiers held open, photos decoded apart, answered in batches."""
