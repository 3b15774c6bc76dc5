"""Prepared networks in whole numbers of 8 bits: the ranges of what flows in them, the graph."""
