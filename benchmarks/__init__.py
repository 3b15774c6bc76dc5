"""Benchmarks: a script each, printing one JSON line; docs/figures.md says how to run them."""
