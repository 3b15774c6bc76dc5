"""Logistic heads on features: solved, chosen by cross-validation, their out-of-fold answers."""
