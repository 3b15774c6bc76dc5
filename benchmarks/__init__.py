"""Benchmarks: a script each, printing one JSON line."""
